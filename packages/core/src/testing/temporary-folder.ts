import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** A fresh folder that is removed when the test `t` ends. */
export async function temporaryFolder(t: {
  after(cleanUp: () => Promise<void>): void
}): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-'))
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}
