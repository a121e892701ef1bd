/* One socket sends, each datagram in the callback of the one before, and another of the
 * same loop receives. Each line of input says what is wanted:
 *
 *   both COUNT SIZE          both, COUNT datagrams
 *   send COUNT SIZE PORT     only to send, to a port where somebody else receives
 *   receive COUNT SIZE       only to receive: the port is said in a line, and after one more
 *                            line of input, when all have been sent, the clocks run
 *
 * The line of output is how many were received, or sent, and the processor time of it and
 * the time, in nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

static uv_loop_t *loop;
static uv_udp_t sender, receiver;
static uv_udp_send_t request;
static uv_timer_t limit;
static struct sockaddr_in to;
static char payload[65536], memory[65536];
static uv_buf_t message;
static long count, sent, received;
static int sends, receives;

static void finish(void) { uv_stop(loop); }

static void on_limit(uv_timer_t *t) { (void) t; finish(); }

static void on_sent(uv_udp_send_t *r, int status) {
  if (status != 0) return;
  if (sent == count) {
    if (!receives) finish();
    return;
  }
  sent++;
  if (uv_udp_send(r, &sender, &message, 1, (struct sockaddr *) &to, on_sent) != 0) finish();
}

static void on_room(uv_handle_t *h, size_t want, uv_buf_t *b) {
  (void) h; (void) want;
  *b = uv_buf_init(memory, sizeof memory);
}

static void on_message(uv_udp_t *h, ssize_t n, const uv_buf_t *b, const struct sockaddr *from, unsigned flags) {
  (void) h; (void) flags;
  if (n <= 0 || from == NULL) return;
  if ((size_t) n == message.len && b->base[0] == payload[0] && b->base[n - 1] == payload[n - 1] && ++received == count) finish();
}

static long long now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void) {
  char line[256], what[16];
  loop = uv_default_loop();
  memset(payload, 'x', sizeof payload);
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin) != NULL) {
    long size, port = 0;
    struct sockaddr_in any;
    if (sscanf(line, "%15s %ld %ld %ld", what, &count, &size, &port) < 3) return 2;
    sends = strcmp(what, "receive") != 0;
    receives = strcmp(what, "send") != 0;
    message = uv_buf_init(payload, size);
    sent = received = 0;
    uv_ip4_addr("127.0.0.1", 0, &any);
    uv_update_time(loop); /* it may have waited for long to be told */
    uv_timer_init(loop, &limit);
    uv_timer_start(&limit, on_limit, 5000, 0);
    uv_ip4_addr("127.0.0.1", port, &to);
    if (receives) {
      int length = sizeof to, room = 1 << 20;
      uv_udp_init(loop, &receiver);
      if (uv_udp_bind(&receiver, (struct sockaddr *) &any, 0) != 0) return 1;
      uv_recv_buffer_size((uv_handle_t *) &receiver, &room);
      uv_udp_getsockname(&receiver, (struct sockaddr *) &to, &length);
      uv_udp_recv_start(&receiver, on_room, on_message);
    }
    if (sends) {
      uv_udp_init(loop, &sender);
      if (uv_udp_bind(&sender, (struct sockaddr *) &any, 0) != 0) return 1;
    } else {
      printf("%d\n", ntohs(to.sin_port));
      if (fgets(line, sizeof line, stdin) == NULL) return 1;
    }
    long long spent = now(CLOCK_PROCESS_CPUTIME_ID), start = now(CLOCK_MONOTONIC);
    if (sends) {
      sent = 1;
      uv_udp_send(&request, &sender, &message, 1, (struct sockaddr *) &to, on_sent);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    spent = now(CLOCK_PROCESS_CPUTIME_ID) - spent;
    start = now(CLOCK_MONOTONIC) - start;
    if (sends) uv_close((uv_handle_t *) &sender, NULL);
    if (receives) uv_close((uv_handle_t *) &receiver, NULL);
    uv_close((uv_handle_t *) &limit, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    printf("%ld %lld %lld\n", receives ? received : sent, spent, start);
  }
  return 0;
}
