import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Logger } from '@khlong/core'
import { clientSecurityKeys } from '@khlong/kafka-client'
import type { PartName } from '../config/part-names.ts'
import { type Pipeline, type ReadPipelineOptions, readPipeline } from '../config/pipeline.ts'
import { findRunningPipeline } from '../doctor/running-pipeline.ts'
import { KhlongError } from '../errors.ts'
import { Platform } from '../platform.ts'
import { readControlFile } from '../status/control-file.ts'
import { type EmbeddedAccess, embeddedAccess } from '../status/mirror-route.ts'

/** The embedded parts of a pipeline, open to be copied. */
export interface MirrorSource {
  readonly access: EmbeddedAccess
  /** Whether others go on writing to them. */
  readonly isRunning: boolean
  close(): Promise<void>
}

const kept: readonly PartName[] = ['zookeeper', 'kafka', 'mongodb', 'prometheus']
const answerWithinMs = 10_000

/**
 * Opens what is to be copied: of a pipeline that runs by its own door, else by starting those parts that
 * keep data, on ports that nobody knows.
 *
 * @throws KhlongError `KHLONG_MIRROR_IMPOSSIBLE`
 */
export async function openMirrorSource(
  options: ReadPipelineOptions,
  parts: readonly PartName[],
  logger: Logger,
): Promise<MirrorSource> {
  const pipeline = await readPipeline(options)
  const { data } = pipeline
  if (!(await stat(data).catch(() => undefined)))
    throw impossible(
      `there are no data in ${data}; --data DIR where khlong up was told to keep them elsewhere`,
    )
  const state = await findRunningPipeline(data)
  const folder = path.join(data, 'mirror')
  switch (state.kind) {
    case 'running':
      return { access: await askForAccess(data), isRunning: true, close: async () => {} }
    case 'silent':
      throw impossible(
        `process ${state.processId} has the data in ${data} and does not answer; where it is another copy, wait for its end`,
      )
    case 'killed':
      // What sinks had written and not noted in Kafka would be written again, by other offsets.
      if (!(await stat(folder).catch(() => undefined)))
        throw impossible(
          `the pipeline on ${data} was killed, so its sinks may have written what Kafka does not know of; start it once with khlong up, stop it with Ctrl-C, and run the command again`,
        )
      break
    case 'stopped':
  }
  return startAtRest(options, pipeline, parts, folder, logger)
}

async function startAtRest(
  options: ReadPipelineOptions,
  pipeline: Pipeline,
  parts: readonly PartName[],
  folder: string,
  logger: Logger,
): Promise<MirrorSource> {
  // Its being there says that the pipeline had been stopped whole before a copy that was killed.
  await mkdir(folder, { recursive: true })
  // Nothing is scraped, and no rule is evaluated, on series that are to be moved.
  const configFile = path.join(folder, 'prometheus.yml')
  await writeFile(configFile, '{}\n')
  const hidden = kept.map((part) => `${part}.listen=127.0.0.1:0`)
  const atRest = await readPipeline({
    ...options,
    lan: false,
    set: [
      ...(options.set ?? []).filter((assignment) => !isOfTarget(assignment)),
      ...hidden.filter((set) => isEmbedded(pipeline, set.split('.')[0] as PartName)),
      ...(isEmbedded(pipeline, 'prometheus')
        ? [
            'prometheus.alertmanager.listen=127.0.0.1:0',
            `prometheus.config.file=${JSON.stringify(configFile)}`,
          ]
        : []),
    ],
  })
  const platform = await Platform.start({
    pipeline: atRest,
    logger,
    only: kept.filter((part) => part === 'zookeeper' || parts.includes(part)),
  })
  return {
    access: embeddedAccess(platform.book),
    isRunning: false,
    close: async () => {
      await platform.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** `--set` may say how the Kafka is reached that is copied to; the embedded one is not asked for that. */
function isOfTarget(assignment: string): boolean {
  return clientSecurityKeys.some((key) => assignment.startsWith(`kafka.${key}=`))
}

function isEmbedded({ settings }: Pipeline, part: PartName): boolean {
  const key = part === 'kafka' ? 'bootstrap.servers' : 'url'
  return settings.value([part]) !== false && settings.value([part, key]) === undefined
}

async function askForAccess(data: string): Promise<EmbeddedAccess> {
  const door = await readControlFile(data)
  if (!door)
    throw impossible(
      `the pipeline that runs on ${data} cannot be asked: its control.json is missing or not yours to read; ask as the user that runs it`,
    )
  const response = await fetch(`http://${door.address}/-/mirror`, {
    method: 'POST',
    headers: { authorization: `Bearer ${door.token}` },
    signal: AbortSignal.timeout(answerWithinMs),
  }).catch((cause: unknown) => {
    throw impossible(`the pipeline that runs on ${data} does not answer`, cause)
  })
  if (!response.ok)
    throw impossible(`the pipeline that runs on ${data} refuses: ${await response.text()}`)
  return (await response.json()) as EmbeddedAccess
}

function impossible(message: string, cause?: unknown): KhlongError {
  return new KhlongError('KHLONG_MIRROR_IMPOSSIBLE', message, { cause })
}
