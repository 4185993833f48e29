import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { KhlongError } from './errors.ts'

/**
 * The folder of the reference pipeline: inside the package when installed, beside the packages in a
 * checkout.
 *
 * @throws KhlongError `KHLONG_PIPELINE_MISSING`
 */
export async function findReferencePipeline(): Promise<string> {
  for (const candidate of ['../pipelines/iot', '../../../pipelines/iot']) {
    const folder = fileURLToPath(new URL(candidate, import.meta.url))
    if (await stat(folder).catch(() => undefined)) return folder
  }
  throw new KhlongError('KHLONG_PIPELINE_MISSING', 'the reference pipeline is not in this package')
}

/** Puts the Streams applications of the reference pipeline to `files`, by their paths in a pipeline folder. */
export async function copyReferenceStreams(files: Map<string, string>): Promise<void> {
  const folder = path.join(await findReferencePipeline(), 'streams')
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = path.join(entry.parentPath, entry.name)
    const inside = path.relative(folder, file).split(path.sep).join('/')
    files.set(`streams/${inside}`, await readFile(file, 'utf8'))
  }
}
