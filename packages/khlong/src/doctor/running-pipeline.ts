import path from 'node:path'
import { readFolderOwner } from '@khlong/core'
import { embeddedKafka, externalKafka, type KafkaAccess } from '../config/kafka-access.ts'
import type { Pipeline } from '../config/pipeline.ts'
import type { DeviceStatus } from '../devices/device-watch.ts'
import { platformAddress } from '../status/discovery.ts'
import type { PartSnapshot, Snapshot } from '../status/snapshot.ts'

/** What is known of the process that owns a data folder. */
export type PipelineState =
  | { readonly kind: 'stopped' }
  /** Its owner is gone without giving it back. */
  | { readonly kind: 'killed'; readonly processId: number }
  | { readonly kind: 'silent'; readonly processId: number; readonly address: string | undefined }
  | { readonly kind: 'running'; readonly processId: number; readonly snapshot: Snapshot }

const answerWithinMs = 3_000

/** Looks for the pipeline that runs on a data folder, and asks it what its parts do. */
export async function findRunningPipeline(data: string): Promise<PipelineState> {
  const owner = await readFolderOwner(data)
  if (owner === undefined) return { kind: 'stopped' }
  const { processId, isRunning } = owner
  if (!isRunning) return { kind: 'killed', processId }
  const address = await platformAddress(path.join(data, 'discovery'))
  const snapshot = address === undefined ? undefined : await askSnapshot(address)
  return snapshot
    ? { kind: 'running', processId, snapshot }
    : { kind: 'silent', processId, address }
}

/**
 * How the Kafka of a running pipeline is reached: a real one by what `khlong.yml` says of logins, also where
 * a flag said that it is used; our own by {@link embeddedKafka}.
 */
export function runningKafka(
  pipeline: Pipeline,
  { kind, addresses }: PartSnapshot,
  properties: Readonly<Record<string, string>> | undefined,
): KafkaAccess | undefined {
  return kind === 'external' && addresses.kafka !== undefined
    ? externalKafka(pipeline, addresses.kafka)
    : embeddedKafka(addresses, properties)
}

/** The snapshot of a platform at `address`; undefined where none answers there. */
export async function askSnapshot(address: string): Promise<Snapshot | undefined> {
  try {
    const response = await fetch(`http://${address}/-/parts`, {
      signal: AbortSignal.timeout(answerWithinMs),
    })
    return response.ok ? ((await response.json()) as Snapshot) : undefined
  } catch {
    return undefined
  }
}

/** How the devices of the pipeline that runs on a data folder are doing; none where none runs. */
export async function askDevices(data: string): Promise<readonly DeviceStatus[]> {
  const state = await findRunningPipeline(data)
  const address =
    state.kind === 'running' ? await platformAddress(path.join(data, 'discovery')) : undefined
  if (address === undefined) return []
  try {
    const response = await fetch(`http://${address}/-/devices`, {
      signal: AbortSignal.timeout(answerWithinMs),
    })
    const devices = response.ok ? ((await response.json()) as DeviceStatus[] | null) : null
    return devices ?? []
  } catch {
    return []
  }
}
