import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'

/**
 * The modules that a folder of a user's own code holds, by name: JavaScript and TypeScript, without
 * tests and declarations. Subfolders hold what they share. A file stands for itself.
 *
 * @throws what `missing` makes of a folder that is not there, by its whole path and the cause
 */
export async function moduleFiles(
  folder: string,
  missing: (root: string, cause: unknown) => Error,
): Promise<string[]> {
  const root = path.resolve(folder)
  let found: Awaited<ReturnType<typeof stat>>
  try {
    found = await stat(root)
  } catch (cause) {
    throw missing(root, cause)
  }
  if (found.isFile()) return [root]
  const names = await readdir(root)
  return names
    .filter((name) => /\.[mc]?[jt]s$/.test(name) && !/\.(d|test)\.[mc]?[jt]s$/.test(name))
    .sort()
    .map((name) => path.join(root, name))
}
