import type { BrokerState } from '../state/broker-state.ts'

/** Where a console learns who is connected; published while someone subscribes. */
export const clientsTopic = '$SYS/khlong/clients'

/** Where it is said at once that somebody was not let in; JSON, not retained. */
export const eventsTopic = '$SYS/khlong/events'

const empty = Buffer.alloc(0)
/** Counters whose rates go to `$SYS/broker/load/…`. */
const loads = {
  'messages/received': 'packetsReceived',
  'messages/sent': 'packetsSent',
  'publish/received': 'publishReceived',
  'publish/sent': 'publishSent',
  'publish/dropped': 'publishDropped',
  'bytes/received': 'bytesReceived',
  'bytes/sent': 'bytesSent',
  connections: 'connectionsAccepted',
} as const
const spansMinutes = [1, 5, 15]

/** Mosquitto's `$SYS` tree: what has changed is published as retained text, memory only. */
export class SystemTopics {
  readonly #state: BrokerState
  readonly #startedMs: number
  readonly #published = new Map<string, string>()
  readonly #averages = new Map<string, { last: number; perMinute: number[] }>()
  #lastMs: number

  constructor(state: BrokerState, nowMs: number) {
    this.#state = state
    this.#startedMs = nowMs
    this.#lastMs = nowMs
    this.#publish('$SYS/broker/version', 'khlong mqtt', nowMs)
  }

  /** Publishes the values as of now. */
  update(nowMs: number): void {
    for (const [name, value] of Object.entries(this.#values(nowMs)))
      this.#publish(`$SYS/broker/${name}`, String(value), nowMs)
    const { loginsRefused, publishDenied } = this.#state.counters
    this.#publish('$SYS/khlong/logins/refused', String(loginsRefused), nowMs)
    this.#publish('$SYS/khlong/publish/denied', String(publishDenied), nowMs)
    this.#updateLoads(nowMs)
  }

  /** Publishes one message that is not retained. */
  say(topic: string, text: string, nowMs: number): void {
    this.#send(topic, text, false, nowMs)
  }

  #values(nowMs: number): Record<string, number | string> {
    const { counters, sessions, connectedCount, retained, subscriptions, delivery } = this.#state
    return {
      uptime: `${Math.floor((nowMs - this.#startedMs) / 1_000)} seconds`,
      'clients/total': sessions.size,
      'clients/connected': connectedCount,
      'clients/active': connectedCount,
      'clients/disconnected': sessions.size - connectedCount,
      'clients/inactive': sessions.size - connectedCount,
      'clients/maximum': counters.clientsMax,
      'clients/expired': counters.clientsExpired,
      'messages/received': counters.packetsReceived,
      'messages/sent': counters.packetsSent,
      'messages/stored': delivery.queuedCount + retained.count,
      'store/messages/count': delivery.queuedCount + retained.count,
      'store/messages/bytes': delivery.queuedBytes + retained.bytes,
      'publish/messages/received': counters.publishReceived,
      'publish/messages/sent': counters.publishSent,
      'publish/messages/dropped': counters.publishDropped,
      'publish/bytes/received': counters.publishBytesReceived,
      'publish/bytes/sent': counters.publishBytesSent,
      'bytes/received': counters.bytesReceived,
      'bytes/sent': counters.bytesSent,
      'retained messages/count': retained.count,
      'subscriptions/count': subscriptions.count,
      'heap/current': process.memoryUsage().heapUsed,
    }
  }

  /** Moving averages per minute, weighted as Mosquitto weighs them: by e^(-seconds / span). */
  #updateLoads(nowMs: number): void {
    const seconds = (nowMs - this.#lastMs) / 1_000
    this.#lastMs = nowMs
    if (seconds <= 0) return
    for (const [name, counter] of Object.entries(loads)) {
      const total = this.#state.counters[counter]
      const average = this.#averages.get(name) ?? { last: 0, perMinute: [0, 0, 0] }
      this.#averages.set(name, average)
      const rate = ((total - average.last) * 60) / seconds
      average.last = total
      for (const [index, minutes] of spansMinutes.entries()) {
        const weight = Math.exp(-seconds / (minutes * 60))
        const value = rate + weight * (average.perMinute[index]! - rate)
        average.perMinute[index] = value
        this.#publish(`$SYS/broker/load/${name}/${minutes}min`, value.toFixed(2), nowMs)
      }
    }
  }

  #publish(topic: string, text: string, nowMs: number): void {
    if (this.#published.get(topic) === text) return
    this.#published.set(topic, text)
    this.#send(topic, text, true, nowMs)
  }

  #send(topic: string, text: string, retain: boolean, nowMs: number): void {
    const message = {
      topic,
      payload: Buffer.from(text),
      properties: empty,
      qos: 0 as const,
      retain,
    }
    this.#state.publishOwn({ ...message, messageExpiry: -1 }, '', nowMs)
  }
}
