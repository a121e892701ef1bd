"""Throws malformed and misleading frames at a station on an Ethernet device.

    /usr/bin/python3 hostile.py --seed 1 --count 100000 --interface cn0 \
        --ours 10.0.0.2 --our-mac 02:ca:57:00:00:02 --our-port 7081 \
        --peer 10.0.0.1 --peer-mac 02:00:00:00:00:01 --peer-port 7080

The station under attack has the address "ours" and exchanges datagrams of UDP
between its port and the peer's, and may have another socket at the port above. Frames are built with scapy, some hundred attacks
of each kind; what is thrown is drawn from them, as it is or with some bytes
changed. The same seed throws the same frames in the same order.

It prints one line of JSON: how many frames were sent, and how many of each kind.
"""

import argparse
import json
import logging
import random
import socket
import struct
import sys
import time

logging.getLogger("scapy").setLevel(logging.ERROR)  # it complains of there being no routes

from scapy.all import (ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, Raw)
from scapy.contrib.igmp import IGMP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, IPv6, IPv6ExtHdrHopByHop

BROADCAST = "ff:ff:ff:ff:ff:ff"
MARK = 0x666  # of the frames, by which the kernel can count them


class Attacker:
    def __init__(self, args):
        self.a = args
        self.r = random.Random(args.seed)
        self.identification = 0

    # What attacks are made of.

    def bytes(self, most):
        return self.r.randbytes(self.r.randint(0, most))

    def mac(self):
        return "02:66:" + ":".join("%02x" % self.r.randrange(256) for _ in range(4))

    def port(self):
        return self.r.choice([0, 1, 7, 53, self.a.our_port, self.a.peer_port, self.r.randrange(65536), 65535])

    def near(self):
        """An address in the subnet of the two, sometimes one of them."""
        net = self.a.ours.rsplit(".", 1)[0]
        return self.r.choice([self.a.peer, self.a.ours, "%s.%d" % (net, self.r.randrange(256))])

    def far(self):
        return "%d.%d.%d.%d" % tuple(self.r.randrange(256) for _ in range(4))

    def ether(self, **fields):
        fields.setdefault("dst", self.a.our_mac)
        fields.setdefault("src", self.r.choice([self.a.peer_mac, self.mac()]))
        return Ether(**fields)

    def ip(self, **fields):
        """An IP header from a stranger, or in the peer's name."""
        fields.setdefault("src", self.r.choice([self.a.peer, self.near(), self.far()]))
        fields.setdefault("dst", self.a.ours)
        fields.setdefault("id", self.r.randrange(65536))
        return IP(**fields)

    def next_id(self):
        self.identification = (self.identification + 1) % 65536
        return self.identification

    # The kinds of attacks. Each returns frames to be sent in this order.

    def fragments(self):
        r = self.r
        ident, src = self.next_id(), r.choice([self.a.peer, self.near(), self.far()])
        proto = r.choice([17, 17, 17, 1, 6, 99])
        def piece(offset, data, more):
            return self.ether() / IP(src=src, dst=self.a.ours, id=ident, proto=proto,
                                     frag=offset // 8, flags="MF" if more else 0) / Raw(data)
        head = bytes(UDP(sport=self.port(), dport=self.port(), len=r.randrange(65536)))
        way = r.randrange(12)
        if way == 0:  # they overlap
            return [piece(0, head + r.randbytes(56), True), piece(r.randrange(8, 64, 8), r.randbytes(64), False)]
        if way == 1:  # teardrop: the second lies inside the first
            return [piece(0, head + r.randbytes(32), True), piece(24, r.randbytes(4), False)]
        if way == 2:  # ping of death: it ends beyond the longest packet
            return [piece(0, head, True), piece(65528, r.randbytes(r.randint(1, 1400)), r.random() < 0.5)]
        if way == 3:  # the first alone
            return [piece(0, head + r.randbytes(8 * r.randrange(180)), True)]
        if way == 4:  # the last alone
            return [piece(8 * r.randrange(1, 8000), r.randbytes(r.randint(1, 1400)), False)]
        if way == 5:  # one from the middle
            return [piece(8 * r.randrange(1, 8000), r.randbytes(8 * r.randint(1, 180)), True)]
        if way == 6:  # in the middle of a packet, and no multiple of eight
            return [piece(0, head + r.randbytes(r.randint(1, 7)), True), piece(16, r.randbytes(9), True)]
        if way == 7:  # empty ones
            return [piece(8 * r.randrange(8000), b"", True), piece(8 * r.randrange(8000), b"", False)]
        if way == 8:  # as small as they can be, and all but one
            return [piece(8 * i, r.randbytes(8), True) for i in r.sample(range(40), 39)]
        if way == 9:  # the same several times, and two ends
            f = piece(0, head + r.randbytes(16), True)
            return [f, f, f, piece(80, r.randbytes(8), False), piece(160, r.randbytes(8), False)]
        if way == 10:  # complete, out of order, and its lengths do not agree
            data = head + r.randbytes(600)
            parts = [piece(i, data[i:i + 200], i + 200 < len(data)) for i in range(0, len(data), 200)]
            r.shuffle(parts)
            return parts
        # One fragment that is the whole, with an offset that says otherwise.
        return [piece(0, head, False), piece(8, head, False)]

    def options(self):
        r = self.r
        options = r.choice([
            b"\x83\x03\x04\x00", b"\x89\x03\x04\x00",              # source routes, loose and strict
            b"\x83\x0b\x04" + socket.inet_aton(self.far()) * 2 + b"\x00",
            b"\x07\x00\x04\x00", b"\x07\x01\x04\x00",               # a length below two
            b"\x07\x27\x04\x00", b"\x07\xff\x04\x00",               # a length beyond the header
            b"\x07\x07\x01\x00\x00\x00\x00\x00",                    # a pointer into the option's head
            b"\x07\x07\xff\x00\x00\x00\x00\x00",                    # a pointer beyond the end
            b"\x44\x04\x05\x00", b"\x44\x08\x01\x00" + b"\x00" * 4, # time stamps
            b"\x44\x08\x05\xf1" + b"\x00" * 4, b"\x44\x05\x05\x00\x00\x00\x00\x00",
            b"\x01" * 40, b"\x00" + r.randbytes(3), b"\x94\x04\x00\x00", b"\x94\x04\x00\x01",
            b"\x82\x0b" + r.randbytes(10), r.randbytes(4 * r.randint(1, 10)),
        ])
        options += b"\x00" * (-len(options) % 4)
        payload = r.choice([UDP(sport=self.port(), dport=self.port()) / Raw(self.bytes(40)),
                            ICMP(type=8) / Raw(self.bytes(40))])
        raw = bytes(self.ip(ihl=5 + len(options) // 4, options=[]) / payload)
        # scapy puts no options where none were given: here they are.
        header = bytearray(raw[:20])
        length = len(raw) + len(options)
        header[2:4] = struct.pack(">H", length)
        whole = bytes(header) + options
        return [self.ether(type=0x0800) / Raw(mend(whole) + raw[20:])]

    def lengths(self):
        r = self.r
        way = r.randrange(10)
        udp = UDP(sport=self.port(), dport=self.port()) / Raw(self.bytes(60))
        if way == 0:
            return [self.ether() / self.ip(ihl=r.choice([0, 1, 4, 6, 15])) / udp]
        if way == 1:
            return [self.ether() / self.ip(len=r.choice([0, 1, 19, 20, 27, 1500, 65535, r.randrange(65536)])) / udp]
        if way == 2:
            return [self.ether() / self.ip() / UDP(sport=self.port(), dport=self.port(),
                                                 len=r.choice([0, 1, 7, 8, 9, 65535, r.randrange(100)])) / Raw(self.bytes(60))]
        if way == 3:
            return [self.ether() / self.ip(version=r.choice([0, 3, 5, 6, 15])) / udp]
        if way == 4:
            return [self.ether() / self.ip(proto=1) / Raw(self.bytes(7))]
        if way == 5:
            return [self.ether() / self.ip(proto=17) / Raw(self.bytes(7))]
        if way == 6:
            return [self.ether(type=0x0800) / Raw(bytes(self.ip() / udp)[:r.randrange(28)])]
        if way == 7:
            return [self.ether(type=0x0806) / Raw(bytes(ARP())[:r.randrange(28)])]
        if way == 8:
            return [self.ether() / self.ip(chksum=r.randrange(65536)) / udp]
        return [self.ether() / self.ip() / udp / Raw(self.bytes(1400))]

    def errors(self):
        """ICMP of every type, with quotations of flows that are there and not."""
        r = self.r
        flow = IP(src=self.a.ours, dst=self.a.peer, ttl=r.choice([0, 1, 64]), id=r.randrange(65536)) / UDP(
            sport=self.a.our_port + r.randrange(2), dport=self.a.peer_port) / Raw(self.bytes(20))
        quoted = r.choice([
            flow, flow,
            IP(src=self.a.ours, dst=self.far()) / UDP(sport=self.port(), dport=self.port()) / Raw(self.bytes(20)),
            IP(src=self.far(), dst=self.a.peer) / UDP(sport=self.a.our_port, dport=self.a.peer_port),
            IP(src=self.a.peer, dst=self.a.ours) / UDP(sport=self.a.peer_port, dport=self.a.our_port),
            IP(src=self.a.ours, dst=self.a.peer, frag=r.randrange(1, 8000)) / Raw(self.bytes(20)),
            IP(src=self.a.ours, dst=self.a.peer) / TCP(sport=self.port(), dport=self.port()),
            IP(src=self.a.ours, dst=self.a.peer) / ICMP(type=r.choice([3, 8])) / Raw(self.bytes(20)),
            IP(src=self.a.ours, dst=self.a.peer, ihl=r.choice([0, 4, 6, 15])) / UDP(sport=self.a.our_port, dport=self.a.peer_port),
        ])
        body = bytes(quoted)
        if r.random() < 0.2:
            body = body[:r.randrange(len(body) + 1)]
        kind = r.choice([3, 3, 3, 4, 5, 11, 12, r.randrange(256)])
        code = r.choice([0, 1, 2, 3, 4, 5, 13, r.randrange(256)])
        rest = struct.pack(">HH", r.randrange(65536), r.choice([0, 1, 68, 100, 552, 576, 1279, 1400, 65535]))
        message = bytearray(struct.pack(">BBH", kind, code, 0) + rest + body)
        message[2:4] = struct.pack(">H", checksum(message) if r.random() < 0.9 else r.randrange(65536))
        return [self.ether() / self.ip(proto=1) / Raw(bytes(message))]

    def echo(self):
        r = self.r
        way = r.randrange(4)
        icmp = ICMP(type=r.choice([0, 8, 8, 8, 13, 15, 17, 10, 9]), code=r.choice([0, 0, 1, 255]), id=r.randrange(65536))
        if way == 0:  # an amplifier
            return [self.ether(dst=BROADCAST) / self.ip(dst=self.a.ours.rsplit(".", 1)[0] + ".255") / icmp / Raw(self.bytes(100))]
        if way == 1:
            return [self.ether(dst="01:00:5e:00:00:01") / self.ip(dst="224.0.0.1") / icmp]
        return [self.ether() / self.ip() / icmp / Raw(self.bytes(1400))]

    def arp(self):
        r = self.r
        way = r.randrange(9)
        if way == 0:  # a storm of questions, from ever others
            return [Ether(src=self.mac(), dst=BROADCAST) / ARP(op=1, hwsrc=self.mac(), psrc=self.near(), pdst=self.a.ours) for _ in range(20)]
        if way == 1:  # somebody else has our address
            m = self.mac()
            return [Ether(src=m, dst=BROADCAST) / ARP(op=r.choice([1, 2]), hwsrc=m, psrc=self.a.ours, pdst=self.a.ours)]
        if way == 2:  # somebody else is the peer
            m = self.mac()
            return [self.ether(src=m) / ARP(op=2, hwsrc=m, psrc=self.a.peer, hwdst=self.a.our_mac, pdst=self.a.ours)]
        if way == 3:
            m = self.mac()
            return [Ether(src=m, dst=BROADCAST) / ARP(op=1, hwsrc=m, psrc=self.a.peer, pdst=self.a.peer)]
        if way == 4:  # answers that nobody asked for
            return [self.ether() / ARP(op=2, hwsrc=self.mac(), psrc=self.near(), hwdst=self.a.our_mac, pdst=self.a.ours)]
        if way == 5:  # of somebody who cannot be
            return [Ether(src=self.mac(), dst=BROADCAST) / ARP(
                op=r.choice([1, 2]), hwsrc=r.choice([BROADCAST, "01:00:5e:00:00:01", "00:00:00:00:00:00", self.a.our_mac]),
                psrc=r.choice(["0.0.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.1", self.near(), self.far()]), pdst=self.a.ours)]
        if way == 6:
            return [self.ether() / ARP(op=r.randrange(65536), hwsrc=self.mac(), psrc=self.near(), pdst=self.a.ours)]
        if way == 7:
            return [self.ether() / ARP(hwtype=r.randrange(65536), ptype=r.choice([0x800, 0x86dd, r.randrange(65536)]),
                                       hwlen=r.randrange(256), plen=r.randrange(256), psrc=self.near(), pdst=self.a.ours)]
        return [Ether(src=self.mac(), dst=BROADCAST) / ARP(op=1, hwsrc=self.mac(), psrc=self.near(), pdst=self.near())]

    def tags(self):
        r = self.r
        inner = self.ip() / UDP(sport=self.port(), dport=self.port()) / Raw(self.bytes(40))
        tag = Dot1Q(vlan=r.randrange(4096), prio=r.randrange(8))
        if r.random() < 0.3:
            tag = Dot1Q(vlan=r.randrange(4096)) / tag
        frame = self.ether() / tag / inner
        return [Raw(bytes(frame)[:r.randint(14, 40)]) if r.random() < 0.3 else frame]

    def stations(self):
        """Frames that are for others, or whose addresses contradict each other."""
        r = self.r
        dst = r.choice([self.mac(), BROADCAST, "01:00:5e:01:02:03", "33:33:00:00:00:01", "01:80:c2:00:00:00",
                        "00:00:00:00:00:00", self.a.peer_mac])
        src = r.choice([self.a.our_mac, BROADCAST, "01:00:5e:00:00:01", "00:00:00:00:00:00", self.mac()])
        inner = UDP(sport=self.port(), dport=self.port()) / Raw(self.bytes(40))
        return [Ether(dst=dst, src=src) / self.ip(dst=r.choice([self.a.ours, self.near(), "224.1.2.3", "239.255.255.250"])) / inner]

    def martians(self):
        r = self.r
        src = r.choice(["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", self.a.ours,
                        self.a.ours.rsplit(".", 1)[0] + ".255", self.a.ours.rsplit(".", 1)[0] + ".0", self.a.peer])
        dst = r.choice([self.a.ours, "127.0.0.1", "0.0.0.0", "240.0.0.1", "255.255.255.255", "224.0.0.1",
                        self.a.ours.rsplit(".", 1)[0] + ".255", self.far(), self.near()])
        to = r.choice([self.a.our_mac, self.a.our_mac, BROADCAST])
        return [self.ether(dst=to) / IP(src=src, dst=dst, ttl=r.choice([0, 1, 64, 255])) /
                r.choice([UDP(sport=self.port(), dport=self.port()) / Raw(self.bytes(40)), ICMP(type=8)])]

    def datagrams(self):
        r = self.r
        way = r.randrange(6)
        if way == 0:  # to a port that is open, in the peer's name, and damaged
            return [self.ether() / self.ip(src=self.a.peer) / UDP(sport=self.a.peer_port, dport=self.a.our_port,
                                                                  chksum=r.randint(1, 65535)) / Raw(self.bytes(100))]
        if way == 1:  # to a port that is closed
            return [self.ether() / self.ip() / UDP(sport=self.port(), dport=r.randrange(10000, 60000)) / Raw(self.bytes(1400))]
        if way == 2:  # without a checksum
            return [self.ether() / self.ip() / UDP(sport=self.port(), dport=self.port(), chksum=0) / Raw(self.bytes(100))]
        if way == 3:  # good ones to the echo port
            return [self.ether() / self.ip(src=self.near()) / UDP(sport=self.port(), dport=7) / Raw(self.bytes(1400))]
        if way == 4:  # from port to port of the same service, which would never end
            return [self.ether() / self.ip(src=r.choice([self.a.ours, self.near()])) / UDP(sport=7, dport=7) / Raw(self.bytes(10))]
        return [self.ether() / self.ip() / UDP(sport=self.port(), dport=self.port()) / Raw(self.bytes(100))]

    def noise(self):
        """What is none of a UDP stack's business."""
        r = self.r
        way = r.randrange(8)
        if way == 0:
            return [self.ether(dst=r.choice([self.a.our_mac, "33:33:00:00:00:01"])) / IPv6(dst="ff02::1") /
                    r.choice([ICMPv6ND_NS(tgt="fe80::1"), ICMPv6ND_NA(tgt="fe80::1"), UDP(sport=self.port(), dport=self.port())])]
        if way == 1:
            return [self.ether() / IPv6(plen=r.randrange(65536)) / IPv6ExtHdrHopByHop() / Raw(self.bytes(40))]
        if way == 2:
            return [self.ether(dst="01:00:5e:00:00:01") / IP(dst="224.0.0.1", src=self.near(), ttl=r.choice([1, 64])) /
                    IGMP(type=r.choice([0x11, 0x12, 0x16, 0x17, 0x22, r.randrange(256)]), gaddr=r.choice(["0.0.0.0", "239.1.2.3"]))]
        if way == 3:
            return [self.ether() / self.ip() / TCP(sport=self.port(), dport=self.port(), flags=r.choice(["S", "SA", "R", "F", "FPU", 0]))]
        if way == 4:
            return [self.ether() / self.ip(proto=r.randrange(256)) / Raw(self.bytes(200))]
        if way == 5:
            return [self.ether(type=r.randrange(65536)) / Raw(self.bytes(200))]
        if way == 6:  # IEEE 802.3, with a length where the type is
            return [self.ether(dst="01:80:c2:00:00:00", type=r.randrange(1501)) / Raw(self.bytes(60))]
        return [Raw(r.randbytes(r.randint(14, 200)))]

    def tiny(self):
        frame = bytes(self.ether(type=self.r.choice([0x800, 0x806, 0x86dd])))
        return [Raw(frame + self.bytes(27))]

    def kinds(self):
        return [self.fragments, self.options, self.lengths, self.errors, self.echo, self.arp, self.tags,
                self.stations, self.martians, self.datagrams, self.noise, self.tiny]

    def build(self, each):
        """Returns attacks by kind: lists of frames, in bytes."""
        return {k.__name__: [[bytes(f) for f in k()] for _ in range(each)] for k in self.kinds()}

    def mended(self, frame):
        """Returns a frame with the right checksum of IP."""
        if frame[12:14] == b"\x08\x00" and len(frame) >= 34:
            length = (frame[14] & 15) * 4
            if 20 <= length <= len(frame) - 14:
                return frame[:14] + mend(frame[14:14 + length]) + frame[14 + length:]
        return frame

    def vary(self, frame):
        """Returns a frame with a few bytes changed behind its Ethernet addresses,
        most often mended."""
        r = self.r
        if len(frame) <= 14:
            return frame
        changed = bytearray(frame)
        for _ in range(r.randint(1, 3)):
            changed[r.randrange(12, min(len(changed), 60))] = r.randrange(256)
        if r.random() < 0.1:
            changed = changed[:r.randint(14, len(changed))]
        return self.mended(bytes(changed)) if r.random() < 0.8 else bytes(changed)


def checksum(data):
    if len(data) % 2:
        data = bytes(data) + b"\x00"
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mend(header):
    """Returns an IP header with the right checksum."""
    header = bytearray(header)
    header[10:12] = b"\x00\x00"
    header[10:12] = struct.pack(">H", checksum(header))
    return bytes(header)


def run(kind):
    """Throws the attacks of a kind of attacker at whom the arguments name."""
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=100000)
    p.add_argument("--each", type=int, default=300, help="attacks of each kind that are built")
    p.add_argument("--burst", type=int, default=200, help="frames between two pauses")
    p.add_argument("--pause", type=float, default=0.005, help="seconds")
    p.add_argument("--interface", required=True)
    p.add_argument("--ours", required=True)
    p.add_argument("--our-mac", required=True)
    p.add_argument("--our-port", type=int, required=True)
    p.add_argument("--peer", required=True)
    p.add_argument("--peer-mac", required=True)
    p.add_argument("--peer-port", type=int, required=True)
    args = p.parse_args()

    attacker = kind(args)
    attacks = attacker.build(args.each)
    names = list(attacks)
    r = attacker.r
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.setsockopt(socket.SOL_SOCKET, 36, MARK)  # SO_MARK
    s.bind((args.interface, 0))
    sent = dict.fromkeys(names, 0)
    total = 0
    pause = args.burst
    while total < args.count:
        name = r.choice(names)
        frames = r.choice(attacks[name])
        for f in frames[:args.count - total]:
            if r.random() < 0.3:
                f = attacker.vary(f)
            s.send(f[:1514])
            sent[name] += 1
            total += 1
        if total >= pause:
            pause = total + args.burst
            time.sleep(args.pause)
    json.dump({"sent": total, "kinds": sent}, sys.stdout)
    print()


if __name__ == "__main__":
    run(Attacker)
