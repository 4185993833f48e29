import { spawn } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually } from '@khlong/core/testing'
import { MongoClient } from 'mongodb'
import { PipelineProcess } from '../../tools/pipeline-process.ts'
import { type Ends, endProcess, freePort } from '../../tools/real-engines.ts'

/** A pipeline that runs, from MQTT to documents. */
export interface Stack {
  readonly mqttUrl: string
  readonly documents: Documents
  /** Ids of its processes, the server of documents left out. */
  readonly processes: Readonly<Record<string, number>>
}

/** The server of documents, which is the same for both stacks. */
export interface Documents {
  readonly uri: string
  readonly processId: number
}

interface ConnectorFile {
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
}

const pipelineFolder = fileURLToPath(new URL('../../pipelines/iot', import.meta.url))
const main = fileURLToPath(new URL('../../packages/khlong/src/main.ts', import.meta.url))

/** What both stacks run: frames from MQTT, and frames and both aggregates to documents. */
const isMeasured = (file: string): boolean =>
  /mqtt-source|mongodb-sink/.test(file) && !/ack/.test(file)

/** The reference pipeline's connector files of what both stacks run. */
export async function connectorFiles(): Promise<ConnectorFile[]> {
  const folder = path.join(pipelineFolder, 'connectors')
  const files = (await readdir(folder)).filter(isMeasured)
  return Promise.all(
    files.map(async (file) => JSON.parse(await readFile(path.join(folder, file), 'utf8'))),
  )
}

/**
 * Starts our server of MongoDB's protocol alone. FerretDB looks a document up by a text `_id` by reading the
 * whole collection, and mongo-java-server takes some hundred documents a second: either would decide the result.
 */
export async function startDocuments(ends: Ends, folder: string, port: number): Promise<Documents> {
  await mkdir(folder, { recursive: true })
  const child = spawn(
    process.execPath,
    [main, 'mongodb', '--listen', String(port), '--data', folder],
    { stdio: 'ignore' },
  )
  ends.push(() => endProcess(child, 'SIGKILL'))
  const uri = `mongodb://127.0.0.1:${port}`
  await eventually(async () => {
    const client = await MongoClient.connect(uri, { serverSelectionTimeoutMS: 1_000 })
    await client.close()
  }, 30_000)
  return { uri, processId: child.pid! }
}

/** Khlong with the parts that the real stack has, and no others. */
export async function startKhlongStack(
  ends: Ends,
  folder: string,
  windowMs: number,
): Promise<Stack> {
  const pipeline = path.join(folder, 'measured')
  await cp(pipelineFolder, pipeline, {
    recursive: true,
    filter: (source) => path.basename(source) !== 'data',
  })
  for (const file of await readdir(path.join(pipeline, 'connectors')))
    if (!isMeasured(file)) await rm(path.join(pipeline, 'connectors', file), { recursive: true })
  await rm(path.join(pipeline, 'streams/iot-commands.ts'))
  const port = await freePort()
  const platform = await PipelineProcess.at(pipeline, {
    flags: [
      ...['--data', path.join(folder, 'data')],
      ...['--mongodb', `mongodb://127.0.0.1:${port}`],
    ],
    set: ['prometheus=false', 'grafana=false', `streams.settings.window.size.ms=${windowMs}`],
  })
  ends.push(() => platform.kill())
  const [documents] = await Promise.all([
    startDocuments(ends, path.join(folder, 'documents'), port),
    platform.start(120_000),
  ])
  return {
    mqttUrl: `mqtt://127.0.0.1:${platform.ports.mqtt}`,
    documents,
    processes: { khlong: platform.processId! },
  }
}
