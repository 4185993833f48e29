import { rm } from 'node:fs/promises'
import path from 'node:path'
import { describeError, type Logger } from '@khlong/core'
import { Admin } from '@khlong/kafka-client'
import { MongoClient } from 'mongodb'
import { externalKafka, type KafkaAccess } from '../config/kafka-access.ts'
import { type Pipeline, type ReadPipelineOptions, readPipeline } from '../config/pipeline.ts'
import { KhlongError } from '../errors.ts'
import { compareRecords } from './compare-records.ts'
import { compareDocuments, copyDocuments, finishDocuments, readCollections } from './documents.ts'
import { compareGroups, copyGroups } from './group-offsets.ts'
import { type MirrorSource, openMirrorSource } from './mirror-source.ts'
import { Positions } from './positions.ts'
import { formatCopied, type Progress } from './progress.ts'
import { isLateRequest, RecordCopy } from './record-copy.ts'
import { compareSeries, copySeries, PrometheusApi } from './series.ts'
import { readTopics, settleTopics } from './topics.ts'

/** Parts whose data can be moved. */
export const mirroredParts = ['kafka', 'mongodb', 'prometheus'] as const
export type MirroredPart = (typeof mirroredParts)[number]
export type MirrorTargets = { readonly [Part in MirroredPart]?: string }

export interface MirrorOptions extends ReadPipelineOptions {
  readonly to: MirrorTargets
  /** How the Kafka that is copied to is reached, by a client's settings; else what `kafka` of the pipeline says. */
  readonly kafkaClient?: Readonly<Record<string, string>> | undefined
  readonly replicationFactor?: number | undefined
  readonly progress: Progress
  readonly logger: Logger
  readonly signal: AbortSignal
}

const connectWithinMs = 10_000
/** Of a pipeline that runs, what comes while it is copied is copied again, so often at most. */
const rounds = 3
const lateRequestsMax = 5
const dayMs = 24 * 3_600_000

/**
 * Copies the data of the embedded parts to real systems. Of a pipeline that runs what it has now, so that
 * little is left to do later; of one that does not, everything, and then the move ends: groups get
 * their offsets, topics their settings, and others may write there.
 *
 * @throws KhlongError `KHLONG_MIRROR_…`
 */
export async function mirror(options: MirrorOptions): Promise<void> {
  const { progress } = options
  await using session = await Session.open(options)
  const { source, pipeline } = session
  if (source.isRunning)
    progress.say('the pipeline runs; what it has now is copied, and the rest when it is stopped')
  const moved: MirroredPart[] = []
  const before: unknown[] = []
  for (const part of session.parts)
    try {
      await session.copy(part)
      moved.push(part)
    } catch (error) {
      if ((error as KhlongError).code !== 'KHLONG_MIRROR_DONE') throw error
      before.push(error)
      progress.say(`${part}: it was moved before`)
    }
  if (moved.length === 0) throw before[0]
  if (source.isRunning) {
    progress.say('stop the pipeline with Ctrl-C, and run the same command again to end the move')
    return
  }
  // Their stores are noted by offsets of the changelogs here; they are read again from those there.
  if (moved.includes('kafka'))
    await rm(path.join(pipeline.data, 'streams'), { recursive: true, force: true })
  const flags = session.parts.map((part) => `--${part} ${withoutLogin(options.to[part]!)}`)
  progress.say(`moved. Go on there: npx khlong up ${pipeline.folder} ${flags.join(' ')}`)
  if (moved.includes('kafka') && session.hasKafkaLogin)
    progress.say(
      'how its Kafka is logged in to goes into khlong.yml, below kafka: security.protocol, sasl.*, ssl.*',
    )
}

/**
 * Compares what was copied with what is here.
 *
 * @throws KhlongError `KHLONG_MIRROR_DIFFERS` that names the first differences
 */
export async function verifyMirror(options: MirrorOptions): Promise<void> {
  await using session = await Session.open(options)
  const differences: string[] = []
  for (const part of session.parts) differences.push(...(await session.compare(part)))
  if (differences.length === 0) return
  const shown = differences.slice(0, 10)
  const more = differences.length > shown.length ? ` (${differences.length} in all)` : ''
  throw new KhlongError('KHLONG_MIRROR_DIFFERS', `not the same${more}: ${shown.join('; ')}`)
}

/** Both sides, open. */
class Session implements AsyncDisposable {
  readonly pipeline: Pipeline
  readonly source: MirrorSource
  readonly parts: readonly MirroredPart[]
  readonly #options: MirrorOptions

  private constructor(options: MirrorOptions, pipeline: Pipeline, source: MirrorSource) {
    this.#options = options
    this.pipeline = pipeline
    this.source = source
    this.parts = mirroredParts.filter((part) => options.to[part] !== undefined)
  }

  static async open(options: MirrorOptions): Promise<Session> {
    const pipeline = await readPipeline(options)
    const parts = mirroredParts.filter((part) => options.to[part] !== undefined)
    // Targets first: what cannot be reached is said before anything starts.
    for (const part of parts) await tryTarget(part, options, pipeline)
    const source = await openMirrorSource(options, parts, options.logger)
    const missing = parts.find((part) => source.access[part] === undefined)
    if (missing === undefined) return new Session(options, pipeline, source)
    await source.close()
    throw new KhlongError(
      'KHLONG_MIRROR_IMPOSSIBLE',
      `${missing} of this pipeline is not embedded, so there is nothing of it to move; leave ${missing}=… out`,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.close()
  }

  /** Whether the Kafka at the target is reached by more than its address. */
  get hasKafkaLogin(): boolean {
    return Object.keys(this.#kafkaTarget()).length > 1
  }

  copy(part: MirroredPart): Promise<void> {
    if (part === 'kafka') return this.#copyKafka()
    return part === 'mongodb' ? this.#copyMongodb() : this.#copyPrometheus()
  }

  /** Gives the differences, in sentences. */
  compare(part: MirroredPart): Promise<string[]> {
    if (part === 'kafka') return this.#compareKafka()
    return part === 'mongodb' ? this.#compareMongodb() : this.#comparePrometheus()
  }

  // ---- Kafka

  async #copyKafka(): Promise<void> {
    const { progress, signal, replicationFactor } = this.#options
    const startMs = performance.now()
    await using source = new Admin(this.source.access.kafka!)
    await using target = new Admin(this.#kafkaTarget())
    const positions = await Positions.open(target, { create: true })
    try {
      const topics = await readTopics(source)
      const copy = new RecordCopy({
        source,
        target,
        positions,
        topics,
        replicationFactor,
        signal,
        onProgress: (done, total) => progress.show('records', done, total),
      })
      const isLast = !this.source.isRunning
      for (let late = 0, round = 1; round <= (isLast ? 1 : rounds); round++)
        try {
          if (round === 1) await copy.prepare()
          await copy.run({ isLast })
        } catch (error) {
          // A request that was under way when another copy was killed: see where the target is now.
          if (!isLateRequest(error) || ++late > lateRequestsMax) throw error
          round = 0
        }
      const { records, bytes } = copy.tally
      const took = performance.now() - startMs
      progress.say(
        `kafka: ${topics.length} topics, ${formatCopied('records', records, bytes, took)}`,
      )
      if (!isLast) return
      const groups = await copyGroups(source, target, positions)
      const offsets = groups.reduce((sum, group) => sum + group.offsets.length, 0)
      await settleTopics(target, topics)
      await copy.finish()
      progress.say(`kafka: ${groups.length} consumer groups, ${offsets} offsets`)
    } finally {
      await positions.close()
    }
  }

  async #compareKafka(): Promise<string[]> {
    const { progress } = this.#options
    await using source = new Admin(this.source.access.kafka!)
    await using target = new Admin(this.#kafkaTarget())
    const positions = await Positions.open(target, { create: false })
    try {
      const differences: string[] = []
      const topics = await readTopics(source)
      for await (const one of compareRecords(source, target, topics, positions)) {
        const { topic, partition, records, checksum, difference } = one
        if (records > 0)
          progress.say(`${topic}-${partition}: ${records} records, sha256 ${checksum.slice(0, 16)}`)
        if (difference !== undefined) differences.push(`${topic}-${partition}: ${difference}`)
      }
      if (!this.source.isRunning) {
        const found = await compareGroups(source, target, positions)
        progress.say(`${found.groups} consumer groups`)
        differences.push(...found.differences)
      }
      return differences
    } finally {
      await positions.close()
    }
  }

  #kafkaTarget(): KafkaAccess {
    return kafkaTargetOf(this.#options, this.pipeline)
  }

  // ---- MongoDB

  async #copyMongodb(): Promise<void> {
    const { progress, signal, to } = this.#options
    const startMs = performance.now()
    await using source = await connectMongo(this.source.access.mongodb!)
    await using target = await connectMongo(to.mongodb!)
    const { collections, leftOut } = await readCollections(source)
    for (const reason of leftOut) progress.say(`left out: ${reason}`)
    const copied = await copyDocuments({
      source,
      target,
      collections,
      isLast: !this.source.isRunning,
      signal,
      onProgress: (done, total) => progress.show('documents', done, total),
    })
    for (const reason of copied.leftOut) progress.say(`left out: ${reason}`)
    const { documents, bytes, removed } = copied
    const took = performance.now() - startMs
    const gone = removed > 0 ? `, ${removed} that are gone removed` : ''
    progress.say(
      `mongodb: ${collections.length} collections, ${formatCopied('documents', documents, bytes, took)}${gone}`,
    )
    if (!this.source.isRunning) await finishDocuments(target, collections)
  }

  async #compareMongodb(): Promise<string[]> {
    const { progress, to } = this.#options
    await using source = await connectMongo(this.source.access.mongodb!)
    await using target = await connectMongo(to.mongodb!)
    const differences: string[] = []
    const { collections } = await readCollections(source)
    for await (const one of compareDocuments(source, target, collections)) {
      const { namespace, documents, checksum, difference } = one
      progress.say(`${namespace}: ${documents} documents, sha256 ${checksum.slice(0, 16)}`)
      if (difference !== undefined) differences.push(`${namespace}: ${difference}`)
    }
    return differences
  }

  // ---- Prometheus

  async #copyPrometheus(): Promise<void> {
    const { progress, signal } = this.#options
    const startMs = performance.now()
    const { samples } = await copySeries({
      ...this.#seriesSides(),
      signal,
      onProgress: (done, total) => progress.show('series', done, total),
    })
    const took = performance.now() - startMs
    progress.say(`prometheus: ${formatCopied('samples', samples, undefined, took)}`)
  }

  async #comparePrometheus(): Promise<string[]> {
    const { progress } = this.#options
    const { series, samples, checksum, difference } = await compareSeries(this.#seriesSides())
    progress.say(
      `prometheus: ${series} series, ${samples} samples, sha256 ${checksum.slice(0, 16)}`,
    )
    return difference === undefined ? [] : [`prometheus: ${difference}`]
  }

  #seriesSides(): {
    source: PrometheusApi
    target: PrometheusApi
    sinceMs: number
    untilMs: number
  } {
    const { url, token } = this.source.access.prometheus!
    const untilMs = Date.now()
    return {
      source: new PrometheusApi(url, token),
      target: new PrometheusApi(this.#options.to.prometheus!),
      sinceMs: untilMs - seriesKeptMs(this.pipeline),
      untilMs,
    }
  }
}

/** A driver's connection that ends with its scope. */
async function connectMongo(uri: string): Promise<MongoClient> {
  return MongoClient.connect(uri, { serverSelectionTimeoutMS: connectWithinMs })
}

function kafkaTargetOf({ to, kafkaClient }: MirrorOptions, pipeline: Pipeline): KafkaAccess {
  const servers = to.kafka!
  return kafkaClient
    ? { ...kafkaClient, 'bootstrap.servers': servers }
    : externalKafka(pipeline, servers)
}

/** Says in a sentence why a target cannot be used. */
async function tryTarget(
  part: MirroredPart,
  options: MirrorOptions,
  pipeline: Pipeline,
): Promise<void> {
  const address = options.to[part]!
  const where = `${part}=${withoutLogin(address)}`
  try {
    if (part === 'kafka') {
      await using admin = new Admin({
        ...kafkaTargetOf(options, pipeline),
        'default.api.timeout.ms': connectWithinMs,
      })
      await admin.describeCluster()
    } else if (part === 'mongodb') {
      await using client = await connectMongo(address)
      await client.db('admin').command({ ping: 1 })
      await client.db('admin').admin().listDatabases({ nameOnly: true })
    } else await new PrometheusApi(address).ask('/api/v1/query', { query: '1' })
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (code === 'KHLONG_MIRROR_IMPOSSIBLE' || code === 'SETTINGS_INVALID') throw error
    // 13 and 18: MongoDB's Unauthorized and AuthenticationFailed.
    const isLogin = code === 'KAFKA_CLIENT_AUTHENTICATION_FAILED' || code === 13 || code === 18
    const advice =
      part === 'kafka'
        ? 'its login and TLS are said by --command-config FILE, the properties of a Kafka client'
        : 'write its login into the address'
    throw new KhlongError(
      'KHLONG_MIRROR_IMPOSSIBLE',
      isLogin
        ? `${where} does not let us in: ${reasonOf(error)}; ${advice}`
        : `${where} cannot be used: ${reasonOf(error)}`,
    )
  }
}

/** The messages of an error and its causes, each said once. */
function reasonOf(error: unknown): string {
  const messages: string[] = []
  for (let at = error; at instanceof Error; at = at.cause)
    if (!messages.some((said) => said.includes((at as Error).message))) messages.push(at.message)
  return messages.join(': ') || describeError(error)
}

const withoutLogin = (address: string): string => address.replace(/\/\/[^/@]*@/, '//')

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: dayMs,
  w: 7 * dayMs,
  y: 365 * dayMs,
}

/** How long the embedded Prometheus keeps series: its own default where nothing is written. */
function seriesKeptMs({ settings }: Pipeline): number {
  const written = String(settings.value(['prometheus', 'storage.tsdb.retention.time']) ?? '15d')
  let total = 0
  for (const [, count, unit] of written.matchAll(/(\d+)(ms|[smhdwy])/g))
    total += Number(count) * unitMs[unit!]!
  return total
}
