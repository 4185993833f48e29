import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import path from 'node:path'
import { describeError } from '@khlong/core'
import { type AddressBook, resolveAddressBook } from '../config/address-book.ts'
import { type Pipeline, type ReadPipelineOptions, readPipeline } from '../config/pipeline.ts'
import { type DiskSpace, measureDiskSpace } from '../disk/disk-space.ts'
import type { DiskState } from '../disk/disk-watch.ts'
import { checkPartSettings } from '../parts/part-settings.ts'
import { formatBytes, formatCount } from '../terminal/format.ts'
import { countDeadLetters } from './dead-letters.ts'
import { examineExternals, examinePorts } from './examine-addresses.ts'
import { diskStateOf, examineBudget } from './examine-disk.ts'
import { examineSnapshot } from './examine-snapshot.ts'
import type { Finding } from './finding.ts'
import {
  askSnapshot,
  findRunningPipeline,
  type PipelineState,
  runningKafka,
} from './running-pipeline.ts'

/** What the doctor saw. */
export interface Diagnosis {
  /** Missing where the settings cannot even be read. */
  readonly pipeline?: Pipeline
  readonly state?: PipelineState
  readonly space?: DiskSpace
  readonly disk?: DiskState
  readonly findings: readonly Finding[]
}

/** Below this, a burst of frames or one compaction may fill the disk. */
const freeBytesMin = 1 << 30

/** Platforms take the first free port from 9600. */
const platformPorts = [9600, 9601, 9602, 9603, 9604]

export interface DiagnoseOptions extends ReadPipelineOptions {
  /** Properties of a client, where the embedded Kafka only lets in who logs in. */
  readonly commandConfig?: Readonly<Record<string, string>> | undefined
}

/** Looks at a pipeline, whether it runs or not; changes nothing. */
export async function diagnose({ commandConfig, ...options }: DiagnoseOptions): Promise<Diagnosis> {
  const findings: Finding[] = []
  let pipeline: Pipeline
  let book: AddressBook
  try {
    pipeline = await readPipeline(options)
    // Whether a port is free is told apart from whether the settings are right.
    book = await resolveAddressBook(pipeline, { isFree: async () => true })
  } catch (error) {
    return { findings: [wrongSettings(error)] }
  }
  try {
    await checkPartSettings(pipeline, book)
  } catch (error) {
    findings.push(wrongSettings(error))
  }
  const state = await findRunningPipeline(pipeline.data)
  const space = await measureDiskSpace(pipeline.data)
  const disk = diskStateOf(pipeline, state, space)
  findings.push(...examineBudget(disk))
  findings.push(...(await examineData(pipeline.data, space)), ...(await examineExternals(book)))
  findings.push(
    ...(state.kind === 'running'
      ? [
          ...examineSnapshot(state.snapshot),
          ...(await examineDeadLetters(state, pipeline, commandConfig)),
        ]
      : [
          ...examineState(state),
          ...(await examineOthers(pipeline.data)),
          ...(await examinePorts(pipeline, book)),
        ]),
  )
  return { pipeline, state, space, disk, findings }
}

function wrongSettings(error: unknown): Finding {
  return { level: 'wrong', what: describeError(error) }
}

async function examineData(data: string, { freeBytes }: DiskSpace): Promise<Finding[]> {
  const findings: Finding[] = []
  const problem = await writeProblem(data)
  if (problem)
    findings.push({
      level: 'wrong',
      what: `cannot write to the data folder ${data}: ${problem}`,
      remedy: 'mend its permissions, or choose another with --data DIR',
    })
  if (freeBytes < freeBytesMin)
    findings.push({
      level: 'wrong',
      what: `the disk of ${data} has only ${formatBytes(freeBytes)} left`,
      remedy:
        'make room, keep the data elsewhere (--data DIR), or keep less (disk.expire, kafka.log.retention.hours)',
    })
  return findings
}

/** Why nothing can be written to a folder, or made where it is missing. */
async function writeProblem(folder: string): Promise<string | undefined> {
  try {
    await access(folder, constants.W_OK)
    return undefined
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    const parent = path.dirname(folder)
    return code === 'ENOENT' && parent !== folder ? writeProblem(parent) : code
  }
}

function examineState(state: PipelineState): Finding[] {
  if (state.kind === 'killed')
    return [
      {
        level: 'note',
        what: `the last run (process ${state.processId}) was killed`,
        remedy: 'the next start repairs what it left, and goes on',
      },
    ]
  if (state.kind === 'silent')
    return [
      {
        level: 'wrong',
        what: `process ${state.processId} has the data folder and does not answer${state.address === undefined ? '' : ` at ${state.address}`}`,
        remedy: 'it may be starting; if this stays so, end it and start again',
      },
    ]
  return []
}

async function examineDeadLetters(
  { snapshot }: Extract<PipelineState, { kind: 'running' }>,
  pipeline: Pipeline,
  properties: Readonly<Record<string, string>> | undefined,
): Promise<Finding[]> {
  const kafka = snapshot.parts.find(({ name }) => name === 'kafka')
  if (!kafka) return []
  const { addresses } = kafka
  // The login of a running pipeline is in no file.
  const access = runningKafka(pipeline, kafka, properties)
  if (!access)
    return Object.values(addresses).some(Boolean)
      ? [
          {
            level: 'note',
            what: 'dead letters were not counted: every listener of Kafka asks for a login',
            remedy: "npx khlong doctor --command-config FILE, a client's properties, counts them",
          },
        ]
      : []
  const servers = access['bootstrap.servers']
  const option = servers === '127.0.0.1:9092' ? '' : ` --bootstrap-server ${servers}`
  // A Kafka that does not answer is said with its part.
  const counts = await countDeadLetters(access).catch(() => [])
  return counts.map(({ topic, records }) => ({
    level: 'note',
    what: `topic ${topic} holds ${formatCount(records)} dead ${records === 1 ? 'letter' : 'letters'}`,
    remedy: `npx khlong kafka consume ${topic} --from-beginning --count ${Math.min(records, 10)} --verbose${option}`,
  }))
}

/** Somebody who asks in the wrong folder is told of the pipelines that run elsewhere. */
async function examineOthers(own: string): Promise<Finding[]> {
  const snapshots = await Promise.all(platformPorts.map((port) => askSnapshot(`127.0.0.1:${port}`)))
  return snapshots.flatMap((snapshot): Finding[] =>
    snapshot === undefined || snapshot.data === own
      ? []
      : [
          {
            level: 'note',
            what: `another pipeline runs on this machine: ${snapshot.name}, process ${snapshot.processId}`,
            remedy: `npx khlong doctor ${snapshot.folder} --data ${snapshot.data} looks at it`,
          },
        ],
  )
}
