import { copyFile, mkdir, rm, truncate } from 'node:fs/promises'
import path from 'node:path'
import type { Cut, Part } from '../index.ts'

/**
 * Cuts a part that runs, and gives a folder with what a backup would keep of it: each file up to the
 * size that counts. `beside` is a folder on the file system of the part's data.
 */
export async function restoredCut(part: Part, beside: string): Promise<string> {
  const kept = path.join(beside, 'kept')
  const cut = (await part.cut?.(kept)) as Cut
  await part.cutWritten?.()
  const folder = path.join(beside, 'restored')
  for (const { path: name, source, sizeBytes } of cut.files) {
    const file = path.join(folder, ...name.split('/'))
    await mkdir(path.dirname(file), { recursive: true })
    await copyFile(source, file)
    if (sizeBytes !== undefined) await truncate(file, sizeBytes)
  }
  await rm(kept, { recursive: true, force: true })
  return folder
}
