import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { segmentName } from './segment.ts'

/** Where the producers' state lies that the batches below `offset` say. */
export function snapshotPath(folder: string, offset: number): string {
  return path.join(folder, `${segmentName(offset)}.snapshot`)
}

/** The offsets of the snapshots among the files of a partition, newest first. */
export function snapshotOffsets(names: readonly string[]): number[] {
  return names
    .filter((name) => /^\d{20}\.snapshot$/.test(name))
    .map((name) => Number(name.slice(0, 20)))
    .sort((a, b) => b - a)
}

/** Removes the snapshots of a partition but those of the offsets that are kept. */
export function dropSnapshots(folder: string, kept: readonly number[]): void {
  for (const offset of snapshotOffsets(readdirSync(folder)))
    if (!kept.includes(offset)) rmSync(snapshotPath(folder, offset), { force: true })
}
