import { readdir } from 'node:fs/promises'
import { partNames } from '../config/part-names.ts'

/** What is made anew at each start: where parts are, and what a backup has in hand. */
const passing = ['discovery', 'cut']

/** Folders of a data folder that are the platform's own, such as those of people and devices. */
export async function ownFolders(data: string): Promise<string[]> {
  const entries = await readdir(data, { withFileTypes: true })
  const others: readonly string[] = [...partNames, ...passing]
  return entries
    .filter((entry) => entry.isDirectory() && !others.includes(entry.name))
    .map(({ name }) => name)
}
