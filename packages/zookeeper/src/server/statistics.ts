/** Counts since the start, as `srvr` and `mntr` show them. Latencies are in milliseconds. */
export class Statistics {
  packetsReceived = 0
  packetsSent = 0
  outstandingRequests = 0
  latencyMsMin: number = Number.POSITIVE_INFINITY
  latencyMsMax = 0
  latencyMsSum = 0
  latencyCount = 0
  connectionsDropped = 0
  connectionsRejected = 0
  authFailures = 0
  sessionsExpired = 0
  responseBytesLast = -1
  flushes = 0
  flushMsSum = 0
  snapshots = 0
  snapshotMsSum = 0

  /** Takes in `count` requests whose replies left after `ms`. */
  observeLatency(ms: number, count: number): void {
    this.latencyCount += count
    this.latencyMsSum += ms * count
    if (ms < this.latencyMsMin) this.latencyMsMin = ms
    if (ms > this.latencyMsMax) this.latencyMsMax = ms
  }
  get latencyMsAverage(): number {
    return this.latencyCount === 0 ? 0 : this.latencyMsSum / this.latencyCount
  }
  reset(): void {
    this.packetsReceived = 0
    this.packetsSent = 0
    this.resetLatency()
  }
  resetLatency(): void {
    this.latencyMsMin = Number.POSITIVE_INFINITY
    this.latencyMsMax = 0
    this.latencyMsSum = 0
    this.latencyCount = 0
  }
}
