import { setTimeout as delay } from 'node:timers/promises'
import type { Collection } from 'mongodb'
import mqtt, { type MqttClient } from 'mqtt'

// What a pipeline is loaded with, and how its documents are waited for.

/** Milliseconds from the sending of a frame to its document. */
export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

const publishers = 4
const inFlightEach = 100

/** The publishers, connected. */
export function connectPublishers(url: string): Promise<MqttClient[]> {
  return Promise.all(
    Array.from({ length: publishers }, () => mqtt.connectAsync(url, { reconnectPeriod: 0 })),
  )
}

/** A frame as sensors send them, that says in which run it was sent as which. */
export function frame(run: string, n: number): string {
  const nowMs = Date.now()
  return JSON.stringify({
    id: String(5_000 + (n % 500)),
    name: `bench_${n % 500}`,
    place_id: String(n % 20),
    date: new Date(nowMs).toISOString().replace('Z', '+0000'),
    timestamp: nowMs,
    payload: {
      temperature: n % 35,
      humidity: n % 100,
      pressure: 1_000 + (n % 30),
      luminosity: n % 65_000,
    },
    run,
    n,
  })
}

/** Sends at a steady rate and gives, for each frame, the milliseconds until its document is found. */
export async function measureLatency(
  clients: readonly MqttClient[],
  documents: Collection,
  run: string,
  rate: number,
  seconds: number,
): Promise<number[]> {
  const sentAt = new Map<number, number>()
  const latencies: number[] = []
  const count = rate * seconds
  const startMs = performance.now()
  let sent = 0
  let oldest = 0
  const deadlineMs = startMs + seconds * 1_000 + 120_000
  while (latencies.length < count) {
    const due = Math.min(count, Math.floor(((performance.now() - startMs) / 1_000) * rate))
    for (; sent < due; sent++) {
      sentAt.set(sent, performance.now())
      clients[sent % clients.length]!.publish('iot-frames', frame(run, sent), { qos: 1 })
    }
    while (oldest < sent && !sentAt.has(oldest)) oldest++
    const found = await documents
      .find({ run, n: { $gte: oldest } }, { projection: { _id: 0, n: 1 }, batchSize: 10_000 })
      .toArray()
    const nowMs = performance.now()
    for (const { n } of found) {
      const sentMs = sentAt.get(n as number)
      if (sentMs === undefined) continue
      sentAt.delete(n as number)
      latencies.push(nowMs - sentMs)
    }
    if (nowMs > deadlineMs)
      throw new Error(`${count - latencies.length} of ${count} frames became no document`)
    await delay(2)
  }
  return latencies
}

/** Sends as fast as frames are acknowledged. */
export async function measureFlatOut(
  clients: readonly MqttClient[],
  documents: Collection,
  count: number,
): Promise<{ sustainedPerSecond: number; acknowledgedPerSecond: number }> {
  const startMs = performance.now()
  let next = 0
  await Promise.all(
    clients.map(
      (client) =>
        new Promise<void>((resolve) => {
          let waiting = 0
          const fill = (): void => {
            while (waiting < inFlightEach && next < count) {
              waiting++
              client.publish('iot-frames', frame('flat-out', next++), { qos: 1 }, () => {
                waiting--
                if (next < count) fill()
                else if (waiting === 0) resolve()
              })
            }
          }
          fill()
        }),
    ),
  )
  const acknowledgedMs = performance.now() - startMs
  for (;;) {
    const stored = await documents.countDocuments({ run: 'flat-out' })
    if (stored >= count) break
    if (performance.now() - startMs > 120_000)
      throw new Error(`${stored} of ${count} frames became documents`)
    await delay(50)
  }
  const storedMs = performance.now() - startMs
  return {
    sustainedPerSecond: Math.round((count / storedMs) * 1_000),
    acknowledgedPerSecond: Math.round((count / acknowledgedMs) * 1_000),
  }
}

export function percentiles(latencies: readonly number[]): Percentiles {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (part: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]! * 10) / 10
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}
