import { createReadStream } from 'node:fs'
import { lstat, open, readdir, rename, rm, stat } from 'node:fs/promises'
import http from 'node:http'
import path from 'node:path'
import { type CodedError, describeError, openDataFolder } from '@khlong/core'
import { type PartName, partNames } from '../config/part-names.ts'
import type { Pipeline } from '../config/pipeline.ts'
import { partSettings } from '../config/pipeline.ts'
import { KhlongError } from '../errors.ts'
import { partFormats } from '../parts/load.ts'
import { type ControlDoor, readControlFile } from '../status/control-file.ts'
import { version } from '../version.ts'
import { checkBackupPath } from './backup-path.ts'
import { BackupWriter, chunkBytesMax, magic } from './backup-writer.ts'
import type { Manifest } from './manifest.ts'
import { ownFolders } from './own-folders.ts'
import type { KeptFile, PipelineCut } from './pipeline-cut.ts'

/** What was written. */
export interface BackupTaken {
  readonly manifest: Manifest
  readonly fileCount: number
  readonly fileBytes: number
  readonly backupBytes: number
  /** Files of the pipeline's folder that were passed over, with the reason. */
  readonly leftOut: readonly string[]
}

/**
 * Writes a backup of a pipeline to `file`: its folder, and its data as they are at one moment. A
 * pipeline that runs goes on; of one that does not the data folder is taken meanwhile.
 *
 * @throws KhlongError `KHLONG_BACKUP_EXISTS`, `KHLONG_BACKUP_IMPOSSIBLE`
 */
export async function takeBackup(pipeline: Pipeline, file: string): Promise<BackupTaken> {
  if (await lstat(file).catch(() => undefined))
    throw new KhlongError('KHLONG_BACKUP_EXISTS', `${file} is there already; choose another name`)
  // What is not whole yet must not look like a backup.
  const partial = `${file}.partial`
  await rm(partial, { force: true })
  try {
    const taken = await withCut(pipeline, (cut, isRunning) =>
      writeBackup(pipeline, partial, cut, isRunning),
    )
    await rename(partial, file)
    return taken
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}

/** Gives `use` a cut of the pipeline that runs on the data folder, or of the folder that nobody uses. */
async function withCut<Result>(
  pipeline: Pipeline,
  use: (cut: PipelineCut, isRunning: boolean) => Promise<Result>,
): Promise<Result> {
  const { data } = pipeline
  if (!(await stat(data).catch(() => undefined)))
    throw new KhlongError(
      'KHLONG_BACKUP_IMPOSSIBLE',
      `there are no data in ${data}; --data DIR where khlong up was told to keep them elsewhere`,
    )
  try {
    const folder = await openDataFolder(data)
    try {
      return await use(await cutAtRest(pipeline), false)
    } finally {
      await folder.release()
    }
  } catch (error) {
    if ((error as CodedError).code !== 'DATA_FOLDER_IN_USE') throw error
    const door = await readControlFile(data)
    if (!door)
      throw new KhlongError(
        'KHLONG_BACKUP_IMPOSSIBLE',
        `the pipeline that runs on ${data} cannot be asked: its control.json is missing or not yours to read; ask as the user that runs it`,
        { cause: error },
      )
    return askForCut(door, (cut) => use(cut, true))
  }
}

/** Asks the running process for a cut, which stays as long as the connection does. */
async function askForCut<Result>(
  { address, token }: ControlDoor,
  use: (cut: PipelineCut) => Promise<Result>,
): Promise<Result> {
  const request = http.request(`http://${address}/-/backup`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  })
  try {
    const cut = await new Promise<PipelineCut>((resolve, reject) => {
      request.once('error', (cause) =>
        reject(
          new KhlongError('KHLONG_BACKUP_IMPOSSIBLE', `${address} does not answer`, { cause }),
        ),
      )
      request.once('response', (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('error', reject)
        response.on('end', () => reject(refusal(text)))
        response.on('data', (chunk: string) => {
          text += chunk
          if (response.statusCode === 200 && text.endsWith('\n'))
            resolve(JSON.parse(text) as PipelineCut)
        })
      })
      request.end()
    })
    return await use(cut)
  } finally {
    request.destroy()
  }
}

function refusal(text: string): KhlongError {
  let message = 'the pipeline gave no cut'
  try {
    message = String((JSON.parse(text) as { message?: unknown }).message ?? message)
  } catch {
    // Not a sentence of ours.
  }
  return new KhlongError('KHLONG_BACKUP_IMPOSSIBLE', message, { retriable: true })
}

/** What belongs to no backup: who has a folder, locks, and what is made again from other files. */
const passingFile = /^(?:owner\.pid|control\.json|lock\.mdb|.*\.(?:lock|tmp|new)|.*-lock)$/
/** The stores of the streams are read from their changelogs again. */
const partsWithData = partNames.filter((name) => name !== 'streams' && name !== 'sensors')

/** The data of a pipeline that does not run: all its files, as a killed process left them too. */
async function cutAtRest({ data }: Pipeline): Promise<PipelineCut> {
  const files: KeptFile[] = []
  const walk = async (below: string): Promise<void> => {
    const folder = path.join(data, below)
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const name = `${below}/${entry.name}`
      if (passingFile.test(entry.name)) continue
      if (entry.isDirectory()) await walk(name)
      else if (entry.isFile()) files.push({ path: name, source: path.join(data, name) })
    }
  }
  const parts: PartName[] = []
  for (const name of partsWithData) {
    await walk(name)
    if (files.some((file) => file.path.startsWith(`${name}/`))) parts.push(name)
  }
  for (const folder of await ownFolders(data)) await walk(folder)
  return {
    cutMs: Date.now(),
    heldMs: 0,
    parts: await Promise.all(
      parts.map(async (name) => ({ name, formats: await partFormats(name) })),
    ),
    files,
  }
}

async function writeBackup(
  pipeline: Pipeline,
  file: string,
  cut: PipelineCut,
  isRunning: boolean,
): Promise<BackupTaken> {
  const manifest: Manifest = {
    format: 'khlong-backup',
    khlong: version,
    name: pipeline.name,
    cutMs: cut.cutMs,
    isRunning,
    heldMs: cut.heldMs,
    parts: cut.parts.map(({ name, formats }) => ({ name, formats: { ...formats } })),
    elsewhere: partNames.filter((name) => isElsewhere(pipeline, name)),
  }
  const writer = await BackupWriter.create(file, manifest)
  const total = { fileCount: 0, fileBytes: 0 }
  const add = async (name: string, source: string, sizeBytes?: number): Promise<void> => {
    const stats = await stat(source)
    const size = sizeBytes ?? stats.size
    const mode = stats.mode & 0o777
    await writer.add({ path: name, mode, sizeBytes: size }, chunksOf(source, size))
    total.fileCount++
    total.fileBytes += size
  }
  try {
    const { files, leftOut } = await pipelineFiles(pipeline)
    for (const name of files) await add(`pipeline/${name}`, path.join(pipeline.folder, name))
    for (const { path: name, source, sizeBytes } of cut.files)
      await add(`data/${name}`, source, sizeBytes)
    await writer.finish()
    return { manifest, ...total, backupBytes: writer.position, leftOut }
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

function isElsewhere(pipeline: Pipeline, name: PartName): boolean {
  const settings = partSettings(pipeline, name) || {}
  return settings.url !== undefined || (name === 'kafka' && 'bootstrap.servers' in settings)
}

async function* chunksOf(source: string, sizeBytes: number): AsyncGenerator<Buffer> {
  if (sizeBytes === 0) return
  const stream = createReadStream(source, { end: sizeBytes - 1, highWaterMark: chunkBytesMax })
  for await (const chunk of stream) yield chunk as Buffer
}

/** The files of a pipeline's folder that a backup takes, and what it leaves out. */
async function pipelineFiles({
  folder,
  data,
}: Pipeline): Promise<{ files: string[]; leftOut: string[] }> {
  const files: string[] = []
  const leftOut: string[] = []
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(path.join(folder, below), { withFileTypes: true })) {
      const name = below === '' ? entry.name : `${below}/${entry.name}`
      const full = path.join(folder, name)
      if (full === data || entry.name === 'node_modules' || entry.name === '.git') continue
      const reason = await whyLeftOut(name, full, entry.isFile() || entry.isDirectory())
      if (reason !== undefined) leftOut.push(`${name}: ${reason}`)
      else if (entry.isDirectory()) await walk(name)
      else files.push(name)
    }
  }
  await walk('')
  return { files: files.sort(), leftOut }
}

async function whyLeftOut(
  name: string,
  file: string,
  isPlain: boolean,
): Promise<string | undefined> {
  if (!isPlain) return 'it is a link or no plain file'
  // A restored pipeline has its data there.
  if (name.toLowerCase() === 'data') return 'its name is that of the restored data'
  if (await isBackup(file)) return 'it is a backup itself'
  try {
    checkBackupPath(`pipeline/${name}`)
    return undefined
  } catch (error) {
    return describeError(error)
  }
}

async function isBackup(file: string): Promise<boolean> {
  const handle = await open(file, 'r').catch(() => undefined)
  if (!handle) return false
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(magic.length), 0, magic.length, 0)
    return bytesRead === magic.length && buffer.equals(magic)
  } catch {
    // A folder cannot be read so.
    return false
  } finally {
    await handle.close()
  }
}
