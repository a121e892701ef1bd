"""Throws malformed and misleading IPv6 frames at a station on an Ethernet device.

    /usr/bin/python3 -B hostile6.py --seed 1 --count 100000 --interface cn0 \
        --ours fd00::2 --our-mac 02:ca:57:00:00:02 --our-port 7081 \
        --peer fd00::1 --peer-mac 02:00:00:00:00:01 --peer-port 7080

It is hostile.py with other attacks: extension headers in every order and of every
length, fragments, neighbours and routers that are none, attacks on addresses while
they are tested, queries for groups from afar, errors that quote what nobody sent.
The station under attack makes its addresses of its hardware address (EUI-64), so
that those which it is going to test can be foreseen.
"""

import ipaddress
import socket
import struct

from hostile import BROADCAST, Attacker, checksum, run
from scapy.all import IP, TCP, UDP, Dot1Q, Ether, Raw
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6MLDMultAddrRec,
                                ICMPv6MLDone, ICMPv6MLQuery, ICMPv6MLQuery2, ICMPv6MLReport, ICMPv6MLReport2,
                                ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_Redirect, ICMPv6ND_RS,
                                ICMPv6NDOptDNSSL, ICMPv6NDOptDstLLAddr, ICMPv6NDOptMTU, ICMPv6NDOptPrefixInfo,
                                ICMPv6NDOptRDNSS, ICMPv6NDOptRedirectedHdr, ICMPv6NDOptRouteInfo,
                                ICMPv6NDOptSrcLLAddr, IPv6)

ALL_NODES, ALL_ROUTERS, REPORTERS = "ff02::1", "ff02::2", "ff02::16"
HOP, ROUTING, FRAGMENT, ESP, AH, ICMP, NONE, DESTINATION, MOBILITY, HIP, SHIM = 0, 43, 44, 50, 51, 58, 59, 60, 135, 139, 140
ROUTER_ALERT = b"\x05\x02\x00\x00"


def group_mac(group):
    """The hardware address of a group (RFC 2464)."""
    return "33:33:" + ":".join("%02x" % x for x in socket.inet_pton(socket.AF_INET6, group)[12:])


def solicited(address):
    """The group in which an address is asked for (RFC 4291, 2.7.1)."""
    return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:0")[:13] +
                            socket.inet_pton(socket.AF_INET6, address)[13:])


def padded(options):
    """The options of a header as long as they need to be, padded with PadN."""
    rest = -(len(options) + 2) % 8
    if rest == 1:
        return options + b"\x00"
    if rest:
        return options + struct.pack("BB", 1, rest - 2) + bytes(rest - 2)
    return options


class Attacker6(Attacker):
    # What attacks are made of.

    def under(self, prefix):
        """The address that a station makes itself of a prefix and its hardware address."""
        m = bytes.fromhex(self.a.our_mac.replace(":", ""))
        tail = bytes([m[0] ^ 2, m[1], m[2], 0xFF, 0xFE, m[3], m[4], m[5]])
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, prefix)[:8] + tail)

    def link_local(self):
        return self.r.choice([self.under("fe80::"), "fe80::1", "fe80::%x" % self.r.randrange(1, 65536),
                              "fe80::%x:%x" % (self.r.randrange(65536), self.r.randrange(65536))])

    def near(self):
        return self.r.choice([self.a.peer, self.a.ours, "fd00::%x" % self.r.randrange(256), self.link_local()])

    def far(self):
        return socket.inet_ntop(socket.AF_INET6, b"\x20\x01" + self.r.randbytes(14))

    def prefix(self):
        """One of few, so that addresses are made, tested, prolonged and shortened."""
        return "fd00:0:0:%x::" % self.r.randrange(40)

    def stranger(self):
        return self.r.choice([self.a.peer, self.near(), self.far()])

    def packet(self, next_header, payload, **fields):
        """A frame whose IPv6 header says no more than it is told to."""
        r = self.r
        src, dst = fields.get("src") or self.stranger(), fields.get("dst", self.a.ours)
        length = fields.get("plen", len(payload))
        header = struct.pack(">IHBB", fields.get("version", 6) << 28 | r.choice([0, 0, r.randrange(1 << 28)]),
                             length, next_header, fields.get("hlim", r.choice([64, 255, 1, 0])))
        header += socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
        to = fields.get("mac") or (group_mac(dst) if dst.startswith("ff") and r.random() < 0.9 else self.a.our_mac)
        return self.ether(dst=to, type=0x86DD) / Raw(header + payload)

    def checked(self, protocol, message, place, src, dst):
        """The message with the checksum that it needs between two hosts."""
        message = bytearray(message)
        message[place:place + 2] = b"\x00\x00"
        pseudo = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
        pseudo += struct.pack(">II", len(message), protocol)
        message[place:place + 2] = struct.pack(">H", checksum(pseudo + bytes(message)) or 0xFFFF)
        return bytes(message)

    def datagram(self, src, dst, most=60, **ports):
        data = self.bytes(most)
        header = struct.pack(">HHHH", ports.get("sport", self.port()), ports.get("dport", self.port()), 8 + len(data), 0)
        return self.checked(17, header + data, 6, src, dst)

    def message(self, body, src, dst, hlim=255, mac=None, before=b""):
        """A frame with an ICMPv6 message, built with scapy or not, behind hop-by-hop
        options if there are any."""
        data = self.checked(ICMP, bytes(body) if len(bytes(body)) >= 4 else bytes(4), 2, src, dst)
        if before:
            options = padded(before)
            data = struct.pack("BB", ICMP, len(options) // 8) + options + data
        return self.packet(HOP if before else ICMP, data, src=src, dst=dst, hlim=hlim, mac=mac)

    def hops(self):
        """The hop limit that the message has to have, or one that it may not."""
        return self.r.choice([255, 255, 255, 255, 254, 64, 1, 0])

    def options(self):
        """Options of a message of neighbour discovery, most of them sound."""
        r = self.r
        out = b""
        for _ in range(r.choice([0, 1, 1, 2, 3, 8, 40])):
            out += r.choice([
                lambda: bytes(ICMPv6NDOptSrcLLAddr(lladdr=r.choice([self.mac(), self.mac(), self.a.peer_mac, self.a.our_mac, BROADCAST]))),
                lambda: bytes(ICMPv6NDOptDstLLAddr(lladdr=r.choice([self.mac(), self.mac(), self.a.our_mac, "00:00:00:00:00:00"]))),
                lambda: bytes(ICMPv6NDOptMTU(mtu=r.choice([0, 1, 1279, 1280, 1400, 1500, 1501, 9000, 1 << 31]))),
                lambda: self.prefix_option(),
                lambda: bytes(ICMPv6NDOptRouteInfo(plen=r.choice([0, 48, 64, 128, 200]), prefix=self.prefix(), rtlifetime=r.choice([0, 600, 0xFFFFFFFF]))),
                lambda: bytes(ICMPv6NDOptRDNSS(dns=[self.far() for _ in range(r.randint(1, 4))], lifetime=r.randrange(1 << 32))),
                lambda: bytes(ICMPv6NDOptDNSSL(searchlist=["example.com", "a" * 60 + ".example"], lifetime=600)),
                lambda: struct.pack("BB", 14, 1) + r.randbytes(6),             # a nonce (RFC 3971)
                lambda: struct.pack("BB", r.randrange(256), 1) + r.randbytes(6),
                lambda: struct.pack("BB", r.randrange(1, 6), r.choice([2, 3, 4, 255])) + r.randbytes(14),
            ])()
        return out + r.choice([b""] * 6 + [
            struct.pack("BB", r.randrange(1, 32), 0) + r.randbytes(6),        # of length 0: who adds it up never ends
            struct.pack("BB", r.randrange(1, 32), 255), r.randbytes(1), r.randbytes(7)])

    def prefix_option(self):
        r = self.r
        return bytes(ICMPv6NDOptPrefixInfo(
            prefixlen=r.choice([64, 64, 64, 64, 0, 1, 48, 65, 120, 128, 129, 255]), L=r.randrange(2), A=r.choice([0, 1, 1]),
            validlifetime=r.choice([0, 1, 30, 600, 7200, 7201, 0xFFFFFFFF]), preferredlifetime=r.choice([0, 1, 30, 600, 0xFFFFFFFF]),
            prefix=r.choice([self.prefix(), self.prefix(), self.prefix(), self.far(), "fd00::", "fe80::", "ff02::", "::", "::1", "::ffff:10.0.0.0"])))

    # The kinds of attacks. Each returns frames to be sent in this order.

    def extensions(self):
        """Headers in every order, again and again, too long and too short."""
        r = self.r
        src = self.stranger()
        chain = [r.choice([HOP, HOP, ROUTING, FRAGMENT, AH, DESTINATION, DESTINATION, MOBILITY, HIP, SHIM, ESP, 41, 253])
                 for _ in range(r.choice([1, 1, 2, 3, 4, 8, 20, 100]))]
        if r.random() < 0.3:
            chain = [HOP] + [r.choice([DESTINATION, ROUTING, DESTINATION]) for _ in chain[1:]]  # a sound order
        last = r.choice([17, 17, ICMP, NONE, 6, HOP, 255])
        data = {17: self.datagram(src, self.a.ours), ICMP: self.checked(ICMP, bytes(ICMPv6EchoRequest(data=self.bytes(40))), 2, src, self.a.ours)
                }.get(last, self.bytes(60))
        for kind, after in reversed(list(zip(chain, chain[1:] + [last]))):
            data = self.header(kind, after) + data
        if r.random() < 0.15:
            data = data[:r.randrange(len(data) + 1)]
        return [self.packet(chain[0], data[:1460], src=src, dst=r.choice([self.a.ours, self.a.ours, self.a.ours, ALL_NODES]))]

    def header(self, kind, after):
        r = self.r
        if kind == FRAGMENT:
            return struct.pack(">BBHI", after, r.choice([0, 255]), r.choice([0, 0, 0, 1, 6, 8, 0xFFFF]), r.randrange(1 << 32))
        if kind == AH:
            return struct.pack(">BBHII", after, r.choice([1, 4, 0, 255]), 0, r.randrange(1 << 32), 0) + r.randbytes(12)
        if kind == 41:
            return bytes(IPv6(src=self.far(), dst=self.a.ours, nh=after))
        if kind == ROUTING:
            left, kinds = r.choice([0, 0, 1, 2, 255]), [0, 0, 2, 3, 4, 253, r.randrange(256)]
            body = struct.pack(">BBI", r.choice(kinds), left, 0) + b"".join(
                socket.inet_pton(socket.AF_INET6, r.choice([self.a.ours, self.a.peer, ALL_NODES])) for _ in range(r.randrange(3)))
        elif kind in (HOP, DESTINATION):
            body = self.tlv()
        else:
            body = r.randbytes(8 * r.randint(0, 3) + 6)
        length = len(body) // 8
        if r.random() < 0.1:
            length = r.choice([0, length + 1, 255])
        return struct.pack("BB", after, length) + body

    def tlv(self):
        """What stands in a header of options."""
        r = self.r
        options = b""
        for _ in range(r.choice([0, 1, 1, 2, 3, 9, 30])):
            options += r.choice([
                b"\x00", b"\x00" * 8, b"\x01\x00", b"\x01\x04\x00\x00\x00\x00", b"\x01\x04\x01\x02\x03\x04", b"\x01\xff",
                ROUTER_ALERT, b"\x05\x00", b"\x05\x03\x00\x00\x00", b"\xc2\x04\x00\x00\x00\x00",
                b"\xc2\x04" + struct.pack(">I", r.choice([0xFFFF, 0x10000, 0xFFFFFFFF])), b"\xc2\x00",
                b"\xc9\x10" + socket.inet_pton(socket.AF_INET6, self.a.peer), b"\x04\x01\x08", b"\x8b\x00", b"\x07\x00",
                struct.pack("BB", r.choice([0x1E, 0x3E, 0x5E, 0x9E, 0xDE, r.randrange(2, 256)]), 2) + r.randbytes(2),
                struct.pack("BB", r.randrange(2, 256), r.randrange(256)),
            ])
        options = options[:400]
        return padded(options) if r.random() < 0.9 else options + r.randbytes(-(len(options) + 2) % 8)

    def fragments(self):
        r = self.r
        ident, src = r.choice([self.next_id(), self.next_id() << 16]), self.stranger()
        proto = r.choice([17, 17, 17, ICMP, 6, 99, HOP, DESTINATION, FRAGMENT, NONE])

        def piece(offset, data, more, after=proto, reserved=0):
            return self.packet(FRAGMENT, struct.pack(">BBHI", after, 0, offset | reserved | more, ident) + data, src=src)

        head = self.datagram(src, self.a.ours)[:8]
        way = r.randrange(17)
        if way == 0:  # they overlap (RFC 5722)
            return [piece(0, head + r.randbytes(56), 1), piece(r.randrange(8, 64, 8), r.randbytes(64), 0)]
        if way == 1:  # teardrop: the second lies inside the first
            return [piece(0, head + r.randbytes(32), 1), piece(24, r.randbytes(4), 0)]
        if way == 2:  # ping of death: it ends beyond the longest packet
            return [piece(0, head, 1), piece(65528, r.randbytes(r.randint(1, 1400)), r.randrange(2))]
        if way == 3:  # the first alone
            return [piece(0, head + r.randbytes(8 * r.randrange(180)), 1)]
        if way == 4:  # the last alone
            return [piece(8 * r.randrange(1, 8000), r.randbytes(r.randint(1, 1400)), 0)]
        if way == 5:  # one from the middle
            return [piece(8 * r.randrange(1, 8000), r.randbytes(8 * r.randint(1, 180)), 1)]
        if way == 6:  # in the middle of a packet, and no multiple of eight
            return [piece(0, head + r.randbytes(r.randint(1, 7)), 1), piece(16, r.randbytes(9), 1)]
        if way == 7:  # empty ones
            return [piece(8 * r.randrange(8000), b"", 1), piece(8 * r.randrange(8000), b"", 0)]
        if way == 8:  # as small as they can be, and all but one
            return [piece(8 * i, r.randbytes(8), 1) for i in r.sample(range(40), 39)]
        if way == 9:  # the same several times, and two ends
            f = piece(0, head + r.randbytes(16), 1)
            return [f, f, f, piece(80, r.randbytes(8), 0), piece(160, r.randbytes(8), 0)]
        if way == 10:  # complete and out of order
            data = self.datagram(src, self.a.ours, 1) + r.randbytes(600)
            data = self.checked(17, data[:4] + struct.pack(">H", len(data)) + data[6:], 6, src, self.a.ours)
            parts = [piece(i, data[i:i + 200], int(i + 200 < len(data)), after=17) for i in range(0, len(data), 200)]
            r.shuffle(parts)
            return parts
        if way == 11:  # atomic (RFC 6946), with others of its identification about
            return [piece(0, head + r.randbytes(8), 1), piece(0, self.datagram(src, self.a.ours), 0, after=17),
                    piece(16, r.randbytes(8), 0)]
        if way == 12:  # no upper header in the first (RFC 7112)
            return [piece(0, struct.pack("BB", 17, r.choice([0, 10])) + bytes(6), 1, after=DESTINATION), piece(8, r.randbytes(80), 0, after=DESTINATION)]
        if way == 13:  # fragments of a fragment
            inner = struct.pack(">BBHI", proto, 0, r.choice([0, 1, 8, 9]), r.randrange(1 << 32)) + r.randbytes(24)
            return [piece(0, inner[:16], 1, after=FRAGMENT), piece(16, inner[16:], 0, after=FRAGMENT)]
        if way == 14:  # they contradict each other, and have bits that nobody knows
            return [piece(0, head + r.randbytes(8), 1, after=17, reserved=6), piece(16, r.randbytes(8), 0, after=ICMP, reserved=4)]
        if way == 15:  # too short for the header itself, or a jumbogram
            return [self.packet(FRAGMENT, r.randbytes(r.randrange(8)), src=src),
                    self.packet(HOP, struct.pack("BB", FRAGMENT, 0) + b"\xc2\x04\x00\x01\x00\x00" +
                                struct.pack(">BBHI", proto, 0, 1, ident) + r.randbytes(40), src=src, plen=0)]
        # Neighbour discovery and queries in fragments (RFC 6980).
        body = self.checked(ICMP, bytes(ICMPv6ND_NS(tgt=self.a.ours) / ICMPv6NDOptSrcLLAddr(lladdr=self.mac())), 2, src, self.a.ours)
        return [piece(0, body[:16], 1, after=ICMP), piece(16, body[16:], 0, after=ICMP)]

    def lengths(self):
        r = self.r
        src = self.stranger()
        udp = self.datagram(src, self.a.ours)
        way = r.randrange(10)
        if way == 0:
            return [self.packet(17, udp, src=src, version=r.choice([0, 4, 5, 7, 15]))]
        if way == 1:
            return [self.packet(17, udp, src=src, plen=r.choice([0, 1, 7, 8, 1500, 65535, r.randrange(65536)]))]
        if way == 2:
            length = r.choice([0, 1, 7, 8, 9, 65535, r.randrange(100)])
            return [self.packet(17, self.checked(17, udp[:4] + struct.pack(">H", length) + udp[6:], 6, src, self.a.ours), src=src)]
        if way == 3:
            return [self.packet(17, udp[:6] + b"\x00\x00" + udp[8:], src=src)]  # no checksum (RFC 8200, 8.1)
        if way == 4:
            return [self.packet(r.choice([17, ICMP]), self.bytes(7), src=src)]
        if way == 5:
            return [Raw(bytes(self.packet(17, udp, src=src))[:14 + r.randrange(48)])]
        if way == 6:
            return [self.packet(17, udp[:6] + r.randbytes(2) + udp[8:], src=src)]
        if way == 7:  # a jumbogram, of any length
            data = struct.pack(">BBBBI", 17, 0, 0xC2, 4, r.choice([0, len(udp) + 8, 65536, 0xFFFFFFFF])) + udp
            return [self.packet(HOP, data, src=src, plen=r.choice([0, len(data)]))]
        if way == 8:
            return [self.packet(17, udp + r.randbytes(60), src=src, plen=len(udp))]
        return [self.packet(17, udp, src=src) / Raw(self.bytes(1300))]

    def errors(self):
        """ICMPv6 errors of every type, with quotations of flows that are there and not."""
        r = self.r
        def udp(src, dst, sport, dport, **more):
            return bytes(IPv6(src=src, dst=dst, **more) / UDP(sport=sport, dport=dport) / Raw(self.bytes(20)))
        a = self.a
        flow = udp(a.ours, a.peer, a.our_port + r.randrange(2), a.peer_port)
        quoted = r.choice([
            flow, flow, flow,
            udp(a.ours, self.far(), self.port(), self.port()), udp(self.far(), a.peer, a.our_port, a.peer_port),
            udp(a.peer, a.ours, a.peer_port, a.our_port), udp("::", a.peer, a.our_port, a.peer_port),
            udp("::ffff:10.0.0.2", "::ffff:10.0.0.1", a.our_port, a.peer_port), udp(a.ours, ALL_NODES, a.our_port, a.peer_port),
            udp(a.ours, a.peer, a.our_port, a.peer_port, version=4),
            bytes(IPv6(src=a.ours, dst=a.peer, nh=FRAGMENT)) + struct.pack(">BBHI", 17, 0, r.choice([0, 1, 8, 0xFFF8]), 7) + flow[40:],
            bytes(IPv6(src=a.ours, dst=a.peer, nh=DESTINATION)) + struct.pack("BB", 17, r.choice([0, 0, 255])) + b"\x01\x04\x00\x00\x00\x00" + flow[40:],
            bytes(IPv6(src=a.ours, dst=a.peer) / TCP(sport=self.port(), dport=self.port())),
            bytes(IPv6(src=a.ours, dst=a.peer) / r.choice([ICMPv6EchoRequest(), ICMPv6DestUnreach(), ICMPv6ND_NS(tgt=a.peer)])),
            bytes(IP(src="10.0.0.2", dst="10.0.0.1") / UDP(sport=a.our_port, dport=a.peer_port)),
        ])
        if r.random() < 0.2:
            quoted = quoted[:r.randrange(len(quoted) + 1)]
        kind = r.choice([1, 1, 2, 2, 3, 4, 100, 127, r.randrange(128), r.randrange(256)])
        body = struct.pack(">BBHI", kind, r.choice([0, 1, 2, 3, 4, 5, 6, 7, r.randrange(256)]), 0,
                           r.choice([0, 68, 1279, 1280, 1300, 1400, 1500, 65535, 0xFFFFFFFF]))
        dst = r.choice([a.ours, a.ours, a.ours, a.ours, self.under("fe80::"), ALL_NODES])
        return [self.message(body + quoted, self.stranger(), dst, hlim=64)]

    def echo(self):
        r = self.r
        ask = r.choice([ICMPv6EchoRequest, ICMPv6EchoRequest, ICMPv6EchoReply])(id=r.randrange(65536), data=self.bytes(r.choice([40, 1300])))
        src = r.choice([self.stranger(), self.stranger(), "::", ALL_NODES, "::1"])
        return [self.message(ask, src, r.choice([self.a.ours, self.a.ours, self.under("fe80::"), ALL_NODES, "ff01::1", "ff05::1:3"]), hlim=64)]

    def solicitations(self):
        r = self.r
        way = r.randrange(5)
        if way == 0:  # a storm of questions, from ever others
            return [self.message(ICMPv6ND_NS(tgt=self.a.ours) / ICMPv6NDOptSrcLLAddr(lladdr=self.mac()), "fd00::%x" % r.randrange(2, 1 << 16),
                                 solicited(self.a.ours)) for _ in range(20)]
        if way == 1:  # in the name of the station, or of the peer
            return [self.message(ICMPv6ND_NS(tgt=self.a.ours) / ICMPv6NDOptSrcLLAddr(lladdr=self.mac()),
                                 r.choice([self.a.ours, self.a.peer, self.under("fe80::")]), solicited(self.a.ours), hlim=self.hops())]
        target = r.choice([self.a.ours, self.a.ours, self.near(), self.under("fe80::"), ALL_NODES, "::", "::1", "::ffff:10.0.0.2"])
        body = bytes(ICMPv6ND_NS(tgt=target, code=r.choice([0, 0, 0, 1]))) + self.options()
        if way == 2:
            body = body[:r.randrange(4, 28)]
        return [self.message(body, r.choice([self.near(), self.near(), self.far(), "::", "::1"]),
                             r.choice([solicited(self.a.ours), self.a.ours, ALL_NODES]), hlim=self.hops())]

    def answers(self):
        r = self.r
        target = r.choice([self.a.ours, self.a.peer, self.a.peer, self.near(), self.near(), self.far(), ALL_NODES, "::", "::ffff:10.0.0.1"])
        body = bytes(ICMPv6ND_NA(tgt=target, R=r.randrange(2), S=r.randrange(2), O=r.randrange(2), code=r.choice([0, 0, 0, 1])))
        body += r.choice([bytes(ICMPv6NDOptDstLLAddr(lladdr=self.mac())), self.options()])
        if r.random() < 0.1:
            body = body[:r.randrange(4, 28)]
        return [self.message(body, r.choice([self.a.peer, self.near(), self.near(), self.far()]), r.choice([self.a.ours, ALL_NODES]), hlim=self.hops())]

    def duplicates(self):
        """Somebody has, or wants, each address that the station may be testing."""
        r = self.r
        target = self.under(r.choice(["fe80::", "fd00::", self.prefix(), self.prefix()]))
        target = r.choice([target, target, target, self.a.ours])
        if r.randrange(2):
            body = bytes(ICMPv6ND_NS(tgt=target)) + r.choice([
                b"", b"", struct.pack("BB", 14, 1) + r.randbytes(6), bytes(ICMPv6NDOptSrcLLAddr(lladdr=self.mac())), self.options()])
            return [self.message(body, "::", r.choice([solicited(target), solicited(target), ALL_NODES, self.a.ours]), hlim=self.hops())]
        body = ICMPv6ND_NA(tgt=target, R=0, S=r.choice([0, 0, 1]), O=1) / ICMPv6NDOptDstLLAddr(lladdr=self.mac())
        return [self.message(body, r.choice([target, self.near()]), ALL_NODES, hlim=self.hops())]

    def routers(self):
        r = self.r
        way = r.randrange(6)

        def advertisement(options, **more):
            fields = dict(chlim=r.choice([0, 1, 64, 255]), routerlifetime=r.choice([0, 1, 1800, 65535]), prf=r.randrange(4),
                          reachabletime=r.choice([0, 1, 30000, 0xFFFFFFFF]), retranstimer=r.choice([0, 0, 1, 1000, 0xFFFFFFFF]))
            fields.update(more)
            return bytes(ICMPv6ND_RA(**fields)) + options

        if way == 0:  # ever others, each with prefixes of its own
            return [self.message(advertisement(bytes(ICMPv6NDOptSrcLLAddr(lladdr=self.mac())) + self.prefix_option() * r.randint(1, 3),
                                               routerlifetime=1800), "fe80::66:%x" % r.randrange(65536), ALL_NODES) for _ in range(20)]
        if way == 1:  # one that says another thing each time
            return [self.message(advertisement(bytes(ICMPv6NDOptMTU(mtu=1280 + i % 2)), chlim=64 + i % 2), "fe80::1", ALL_NODES) for i in range(20)]
        if way == 2:  # as many prefixes as fit
            prefixes = b"".join(bytes(ICMPv6NDOptPrefixInfo(prefixlen=64, prefix="fd01:%x::" % r.randrange(65536), L=1, A=1)) for _ in range(43))
            return [self.message(advertisement(prefixes), "fe80::1", ALL_NODES)]
        if way == 3:  # not by a router of this link
            return [self.message(advertisement(self.options()), r.choice([self.far(), self.a.peer, "::", self.a.ours]), ALL_NODES)]
        if way == 4:
            return [self.message(bytes(ICMPv6ND_RS()) + self.options(), r.choice([self.near(), "::", self.far()]),
                                 r.choice([ALL_ROUTERS, ALL_NODES, self.a.ours]), hlim=self.hops())]
        body = advertisement(self.options(), code=r.choice([0, 0, 0, 1]))
        if r.random() < 0.1:
            body = body[:r.randrange(4, 16)]
        return [self.message(body, self.link_local(), r.choice([ALL_NODES, self.a.ours]), hlim=self.hops())]

    def redirects(self):
        r = self.r
        body = bytes(ICMPv6ND_Redirect(tgt=r.choice([self.near(), self.link_local(), self.far()]), dst=r.choice([self.a.peer, self.far(), ALL_NODES])))
        body += r.choice([b"", self.options(), bytes(ICMPv6NDOptRedirectedHdr(pkt=IPv6(src=self.a.ours, dst=self.a.peer) / UDP(sport=self.a.our_port, dport=self.a.peer_port)))])
        return [self.message(body, r.choice([self.link_local(), self.a.peer, self.far()]), self.a.ours, hlim=self.hops())]

    def listeners(self):
        """Queries and reports of groups, from hosts that may not send them and are afar."""
        r = self.r
        group = r.choice(["::", "::", ALL_NODES, "ff15::101:203", solicited(self.a.ours), "ff02::fb", self.a.ours])
        sources = [self.far() for _ in range(r.choice([0, 0, 1, 5, 80]))]
        body = r.choice([
            lambda: bytes(ICMPv6MLQuery(mladdr=group, mrd=r.choice([0, 1, 10000, 65535]))),
            lambda: bytes(ICMPv6MLQuery2(mladdr=group, mrd=r.choice([0, 1, 0x7FFF, 0x8000, 0xFFFF]), S=r.randrange(2), QRV=r.randrange(8),
                                         QQIC=r.randrange(256), sources=sources)),
            lambda: bytes(ICMPv6MLQuery2(mladdr=group, sources=sources, sources_number=r.choice([len(sources) + 1, 65535, 0]))),
            lambda: bytes(ICMPv6MLReport(mladdr=group)), lambda: bytes(ICMPv6MLDone(mladdr=group)),
            lambda: bytes(ICMPv6MLReport2(records=[ICMPv6MLDMultAddrRec(rtype=r.randrange(256), dst=group, sources=sources)])),
        ])()
        if r.random() < 0.1:
            body = body[:r.randrange(4, len(body))]
        return [self.message(body, r.choice([self.link_local(), self.link_local(), "fe80::1", self.far(), self.a.peer, "::"]),
                             r.choice([ALL_NODES, REPORTERS, self.a.ours, group if group.startswith("ff") else ALL_NODES]),
                             hlim=r.choice([1, 1, 1, 255, 0]), before=r.choice([ROUTER_ALERT, ROUTER_ALERT, b"", b"\x05\x02\x00\x01"]))]

    def tags(self):
        r = self.r
        inner = Raw(bytes(self.packet(17, self.datagram(self.a.peer, self.a.ours), src=self.a.peer))[14:])
        tag = Dot1Q(vlan=r.randrange(4096), prio=r.randrange(8), type=0x86DD)
        if r.random() < 0.3:
            tag = Dot1Q(vlan=r.randrange(4096)) / tag
        frame = self.ether() / tag / inner
        return [Raw(bytes(frame)[:r.randint(14, 60)]) if r.random() < 0.3 else frame]

    def stations(self):
        """Frames that are for others, or whose addresses contradict each other."""
        r = self.r
        to = r.choice([self.mac(), BROADCAST, "33:33:01:02:03:04", "33:33:00:00:00:01", "01:00:5e:00:00:01", "01:80:c2:00:00:00",
                       "00:00:00:00:00:00", self.a.peer_mac, group_mac(solicited(self.a.ours))])
        src, dst = self.stranger(), r.choice([self.a.ours, self.near(), self.far(), ALL_NODES, "ff15::1", "ff05::2"])
        frame = self.packet(17, self.datagram(src, dst), src=src, dst=dst, mac=to)
        frame.src = r.choice([self.a.our_mac, BROADCAST, "33:33:00:00:00:01", "00:00:00:00:00:00", self.mac()])
        return [frame]

    def martians(self):
        r = self.r
        src = r.choice(["::", "::1", ALL_NODES, "ff0e::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::10.0.0.1", "fec0::1", "2002:7f00:1::1",
                        "64:ff9b::7f00:1", self.a.ours, self.under("fe80::"), self.a.peer])
        dst = r.choice([self.a.ours, "::", "::1", "::ffff:10.0.0.2", "::10.0.0.2", "ff00::1", "ff01::1", "ff02::2", "ff05::1", "ff0e::1",
                        self.far(), self.near()])
        if r.random() < 0.3:
            return [self.message(ICMPv6EchoRequest(), src, dst, hlim=64, mac=self.a.our_mac)]
        return [self.packet(17, self.datagram(src, dst), src=src, dst=dst, mac=r.choice([None, self.a.our_mac, BROADCAST]))]

    def datagrams(self):
        r = self.r
        a = self.a
        way = r.randrange(6)
        if way == 0:  # to a port that is open, in the peer's name, and damaged
            d = self.datagram(a.peer, a.ours, 100, sport=a.peer_port, dport=a.our_port)
            return [self.packet(17, d[:6] + r.randbytes(2) + d[8:], src=a.peer)]
        src = r.choice([a.peer, self.near(), self.far()])
        if way == 1:  # to a port that is closed
            return [self.packet(17, self.datagram(src, a.ours, 1300, dport=r.randrange(10000, 60000)), src=src)]
        if way == 2:  # good ones to the echo port
            return [self.packet(17, self.datagram(src, a.ours, 1300, dport=7), src=src)]
        if way == 3:  # from port to port of the same service, which would never end
            src = r.choice([a.ours, src])
            return [self.packet(17, self.datagram(src, a.ours, 10, sport=7, dport=7), src=src)]
        if way == 4:  # behind options, to the port that is open
            d = self.datagram(src, a.ours, 100, dport=a.our_port)
            return [self.packet(DESTINATION, struct.pack("BB", 17, 0) + b"\x01\x04\x00\x00\x00\x00" + d, src=src)]
        return [self.packet(17, self.datagram(src, a.ours, 100), src=src)]

    def noise(self):
        """What is none of a UDP stack's business."""
        r = self.r
        way = r.randrange(6)
        if way == 0:
            return [self.ether() / IPv6(src=self.stranger(), dst=self.a.ours) / TCP(sport=self.port(), dport=self.port(), flags=r.choice(["S", "SA", "R", 0]))]
        if way == 1:
            return [self.packet(r.randrange(256), self.bytes(200))]
        if way == 2:
            return [self.ether(type=r.randrange(65536)) / Raw(self.bytes(200))]
        if way == 3:
            return [self.ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=self.port(), dport=self.port()) / Raw(self.bytes(40))]
        if way == 4:  # ICMPv6 that is informational and unknown
            return [self.message(struct.pack(">BBH", r.randrange(128, 256), r.randrange(3), 0) + self.bytes(60), self.stranger(), self.a.ours)]
        return [Raw(r.randbytes(r.randint(14, 200)))]

    def kinds(self):
        return [self.extensions, self.fragments, self.lengths, self.errors, self.echo, self.solicitations, self.answers, self.duplicates,
                self.routers, self.redirects, self.listeners, self.tags, self.stations, self.martians, self.datagrams, self.noise, self.tiny]

    def mended(self, frame):
        """Returns a frame of UDP or ICMPv6 with the right checksum."""
        if frame[12:14] != b"\x86\xdd" or len(frame) < 62:
            return frame
        place = {17: 6, ICMP: 2}.get(frame[20])
        length = struct.unpack(">H", frame[18:20])[0]
        if place is None or not 8 <= length <= len(frame) - 54:
            return frame
        src, dst = (str(ipaddress.IPv6Address(bytes(frame[k:k + 16]))) for k in (22, 38))
        return frame[:54] + self.checked(frame[20], frame[54:54 + length], place, src, dst) + frame[54 + length:]


if __name__ == "__main__":
    run(Attacker6)
