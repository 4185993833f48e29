import type { StatsFs } from 'node:fs'
import { lstat, readdir, statfs } from 'node:fs/promises'
import path from 'node:path'

/** What a data folder takes of its disk. */
export interface DiskSpace {
  /** What each part's folder takes, the largest first. */
  readonly parts: readonly { readonly name: string; readonly bytes: number }[]
  readonly bytes: number
  readonly freeBytes: number
  readonly totalBytes: number
}

/** Measures a data folder, which may not be there yet, and the disk under it. */
export async function measureDiskSpace(folder: string): Promise<DiskSpace> {
  const parts: { name: string; bytes: number }[] = []
  let bytes = 0
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    // What a backup has in hand are links to files that count already, and goes with it.
    if (entry.name === 'cut') continue
    const size = await diskUsage(path.join(folder, entry.name))
    bytes += size
    if (entry.isDirectory()) parts.push({ name: entry.name, bytes: size })
  }
  const { bavail, blocks, bsize } = await statfsAbove(folder)
  return {
    parts: parts.toSorted((a, b) => b.bytes - a.bytes),
    bytes,
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
  }
}

/** What a file or a folder takes on the disk: files with holes take less than their length. */
async function diskUsage(file: string): Promise<number> {
  // A running part may remove a file while it is looked at.
  const stats = await lstat(file).catch(() => undefined)
  if (!stats) return 0
  if (!stats.isDirectory()) return stats.blocks ? stats.blocks * 512 : stats.size
  let bytes = 0
  for (const name of await readdir(file).catch(() => []))
    bytes += await diskUsage(path.join(file, name))
  return bytes
}

/** The file system of a folder, or of the nearest one above it that is there. */
async function statfsAbove(folder: string): Promise<StatsFs> {
  try {
    return await statfs(folder)
  } catch (error) {
    const parent = path.dirname(folder)
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === folder) throw error
    return statfsAbove(parent)
  }
}
