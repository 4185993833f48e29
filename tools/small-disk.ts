import { execFile } from 'node:child_process'
import { mkdtemp, rmdir, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

// Disks that tests fill to their last byte. They need Linux and root.

const run = promisify(execFile)

/** A folder with a file system of its own, in memory, which goes with the test. */
export async function smallDisk(
  sizeMiB: number,
): Promise<AsyncDisposable & { readonly folder: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'khlong-disk-'))
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'khlong-test', folder])
  return {
    folder,
    [Symbol.asyncDispose]: async () => {
      await run('umount', ['-l', folder])
      await rmdir(folder)
    },
  }
}

/** Takes every byte that is left, in a file that may be removed again. */
export async function fillDisk(disk: string): Promise<string> {
  const filler = path.join(disk, 'filler')
  for (let left = 1; left > 0; ) {
    const { bavail, bsize } = await statfs(disk)
    left = bavail * bsize
    await writeFile(filler, Buffer.alloc(Math.min(left, 8 << 20)), { flag: 'a' }).catch(() => {})
  }
  return filler
}
