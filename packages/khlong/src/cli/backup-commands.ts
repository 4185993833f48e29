import path from 'node:path'
import { type Command, Option } from 'commander'
import type { BackupContents } from '../backup/backup-reader.ts'
import { readPipeline } from '../config/pipeline.ts'
import { formatBytes } from '../terminal/format.ts'

interface BackupFlags {
  data?: string
  set: string[]
  json?: boolean
}

/** `backup`, `restore`, `verify`. */
export function addBackupCommands(program: Command): void {
  program
    .command('backup')
    .description('write everything that a pipeline holds to one file, while it runs')
    .argument('<file>', 'a new file; only you can read it, for it holds secrets')
    .argument('[dir]', 'folder with khlong.yml', '.')
    .option('--data <dir>', 'where khlong up was told to keep its data')
    .option('--json', 'say what was written as JSON')
    .addOption(
      new Option('--set <section.key=value>', 'override a setting of khlong.yml (repeatable)')
        .default([], 'none')
        .argParser((value: string, previous: string[]) => [...previous, value]),
    )
    .action(async (file: string, folder: string, flags: BackupFlags) => {
      const { takeBackup } = await import('../backup/take-backup.ts')
      const pipeline = await readPipeline({ folder, ...flags })
      const taken = await takeBackup(pipeline, path.resolve(file))
      for (const reason of taken.leftOut) process.stderr.write(`left out: ${reason}\n`)
      for (const name of taken.manifest.elsewhere)
        process.stderr.write(`left out: the data of ${name}, which runs elsewhere\n`)
      say(file, taken, flags.json)
    })

  program
    .command('restore')
    .description('make a pipeline folder of a backup')
    .argument('<file>')
    .argument('<dir>', 'a new or empty folder')
    .option('--json', 'say what was restored as JSON')
    .action(async (file: string, folder: string, flags: BackupFlags) => {
      const { restoreBackup } = await import('../backup/restore-backup.ts')
      const contents = await restoreBackup(file, folder)
      say(file, contents, flags.json)
      const data = path.join(path.resolve(folder), 'data')
      const pipeline = await readPipeline({ folder })
      // Where its khlong.yml keeps the data elsewhere, those there are not the restored ones.
      const option = pipeline.data === data ? '' : ` --data ${path.join(folder, 'data')}`
      if (!flags.json) process.stdout.write(`run it: npx khlong up ${folder}${option}\n`)
    })

  program
    .command('verify')
    .description('read a backup to its end and check every sum in it')
    .argument('<file>')
    .option('--json', 'say what it holds as JSON')
    .action(async (file: string, flags: BackupFlags) => {
      const { verifyBackup } = await import('../backup/restore-backup.ts')
      say(file, await verifyBackup(file), flags.json)
    })
}

/** What a backup holds, in a few lines or as JSON. */
function say(
  file: string,
  { manifest, fileCount, fileBytes, backupBytes }: BackupContents,
  asJson = false,
): void {
  if (asJson) {
    process.stdout.write(`${JSON.stringify({ manifest, fileCount, fileBytes, backupBytes })}\n`)
    return
  }
  const { name, khlong, cutMs, isRunning, heldMs, parts } = manifest
  const formats = parts.flatMap((part) =>
    Object.entries(part.formats).map(([format, version]) => `${format} ${version}`),
  )
  // What a backup says of itself may come from anybody, and a terminal obeys control characters.
  const plain = (text: string): string => text.replace(/\p{Cc}/gu, '')
  process.stdout.write(
    `${file}: pipeline ${plain(name)} as it was at ${new Date(cutMs).toISOString()}, by khlong ${plain(khlong)}\n` +
      `${fileCount} files, ${formatBytes(fileBytes)} in ${formatBytes(backupBytes)}${isRunning ? `; acknowledgements waited ${heldMs} ms` : '; it did not run'}\n` +
      `parts: ${parts.map((part) => part.name).join(', ')} (${plain(formats.join(', '))})\n`,
  )
}
