import { lstat, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { KhlongError } from '../errors.ts'

/** A text file of a project, by its path inside the project with `/` between folders. */
export interface ProjectFile {
  readonly path: string
  readonly text: string
}

const filesMax = 2_000
const fileBytesMax = 4 * 1024 * 1024
const skipped = new Set(['node_modules', 'target', 'build', 'dist', 'data', 'venv'])
/** What Mosquitto keeps beside its configuration has any name; the configuration says which. */
const besides = /^\s*(?:password_file|acl_file|cafile|certfile|keyfile|crlfile)\s+(\S+)/gm
const wanted = /(?:\.(?:ya?ml|json|conf|sh|properties|env)|(?:^|\/)\.env)$/i

/**
 * Reads the files of a project that may configure something. Links are not followed, and hidden folders
 * and what builds leave behind are passed over.
 *
 * @throws KhlongError `KHLONG_PIPELINE_MISSING` where there is no such folder; `KHLONG_IMPORT` where it holds
 *   more than an import can be meant for
 */
export async function readProjectFiles(folder: string): Promise<ProjectFile[]> {
  if (!(await lstat(folder).catch(() => undefined))?.isDirectory())
    throw new KhlongError('KHLONG_PIPELINE_MISSING', `there is no project folder ${folder}`)
  const files: ProjectFile[] = []
  const others: string[] = []
  const read = async (name: string): Promise<void> => {
    const file = path.join(folder, name)
    if ((await lstat(file)).size > fileBytesMax) return
    if (files.length === filesMax)
      throw new KhlongError(
        'KHLONG_IMPORT',
        `${folder} holds more than ${filesMax} configuration files; give the folder of one project`,
      )
    files.push({ path: name, text: await readFile(file, 'utf8') })
  }
  const walk = async (inside: string): Promise<void> => {
    const entries = await readdir(path.join(folder, inside), { withFileTypes: true })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = inside === '' ? entry.name : `${inside}/${entry.name}`
      if (entry.isDirectory()) {
        if (!entry.name.startsWith('.') && !skipped.has(entry.name)) await walk(name)
      } else if (entry.isFile())
        if (wanted.test(name)) await read(name)
        else if (others.length < filesMax) others.push(name)
    }
  }
  await walk('')
  const named = new Set(
    files
      .filter((file) => file.path.endsWith('.conf'))
      .flatMap(({ text }) =>
        [...text.matchAll(besides)].map((match) => path.posix.basename(match[1]!)),
      ),
  )
  for (const name of others) if (named.has(path.posix.basename(name))) await read(name)
  return files
}

/** The last part of a file's path. */
export function baseName(file: ProjectFile): string {
  return file.path.slice(file.path.lastIndexOf('/') + 1)
}

/** The object that a text is as JSON; undefined where it is something else, or no JSON. */
export function jsonObjectOf(text: string): object | undefined {
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === 'object' && json !== null ? json : undefined
  } catch {
    return undefined
  }
}
