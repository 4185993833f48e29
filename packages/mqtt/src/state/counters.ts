/** Counts since the broker started, changed in place on hot paths. */
export class BrokerCounters {
  bytesReceived = 0
  bytesSent = 0
  packetsReceived = 0
  packetsSent = 0
  publishReceived = 0
  publishSent = 0
  publishBytesReceived = 0
  publishBytesSent = 0
  /** Messages that were not delivered to a client by design: overload of QoS 0, expiry, size. */
  publishDropped = 0
  clientsExpired = 0
  clientsMax = 0
  connectionsAccepted = 0
  connectionsRefused = 0
  /** Logins with a wrong name or password, or without one where it is needed. */
  loginsRefused = 0
  /** Connections that came to nothing because of TLS: no handshake, or no trusted certificate. */
  tlsFailures = 0
  /** Messages that their publishers were not allowed to send. */
  publishDenied = 0
  /** Times that a publisher was not read because a queue was full. */
  publisherWaits = 0
}
