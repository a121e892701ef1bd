/* One socket sends, each datagram in the callback of the one before, and another of the
 * same loop receives. Each line of input is a number of datagrams and their size; each line
 * of output how many were received and the processor time of it, in nanoseconds. */
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

static void finish(void) {
  if (uv_is_closing((uv_handle_t *) &sender)) return;
  uv_close((uv_handle_t *) &sender, NULL);
  uv_close((uv_handle_t *) &receiver, NULL);
  uv_close((uv_handle_t *) &limit, NULL);
}

static void on_limit(uv_timer_t *t) { (void) t; finish(); }

static void on_sent(uv_udp_send_t *r, int status) {
  if (status != 0 || sent == count) return;
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

static long long spent(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void) {
  long size;
  loop = uv_default_loop();
  memset(payload, 'x', sizeof payload);
  while (scanf("%ld %ld", &count, &size) == 2) {
    int length = sizeof to;
    struct sockaddr_in any;
    message = uv_buf_init(payload, size);
    sent = 1;
    received = 0;
    uv_ip4_addr("127.0.0.1", 0, &any);
    uv_udp_init(loop, &receiver);
    uv_udp_init(loop, &sender);
    uv_timer_init(loop, &limit);
    uv_timer_start(&limit, on_limit, 5000, 0);
    if (uv_udp_bind(&receiver, (struct sockaddr *) &any, 0) != 0) return 1;
    uv_udp_getsockname(&receiver, (struct sockaddr *) &to, &length);
    uv_udp_recv_start(&receiver, on_room, on_message);
    long long start = spent();
    uv_udp_send(&request, &sender, &message, 1, (struct sockaddr *) &to, on_sent);
    uv_run(loop, UV_RUN_DEFAULT);
    printf("%ld %lld\n", received, spent() - start);
    fflush(stdout);
  }
  return 0;
}
