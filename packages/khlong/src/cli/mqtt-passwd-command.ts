import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { KhlongError } from '../errors.ts'
import { readSecret } from '../terminal/read-secret.ts'

interface PasswdFlags {
  create?: boolean
  delete?: boolean
  batch?: boolean
  iterations?: string
}

/** `khlong mqtt passwd`: what mosquitto_passwd does, where there is none. */
export function addMqttPasswdCommand(command: Command): void {
  command
    .command('passwd')
    .description('add, change or remove a user in a password file of Mosquitto')
    .argument('<file>')
    .argument('<user>')
    .argument('[password]', 'with -b; else it is asked for, or read from standard input')
    .option('-c, --create', 'make a new file; one that is there is overwritten')
    .option('-D, --delete', 'remove the user')
    .option('-b, --batch', 'take the password from the command line, where others can see it')
    .option('-I, --iterations <n>', 'how much work a guess costs')
    .action(
      async (file: string, user: string, password: string | undefined, flags: PasswdFlags) => {
        if (/[:\r\n]/.test(user) || user.trim() !== user || user === '' || user.startsWith('#'))
          throw new KhlongError('KHLONG_USAGE', 'a username has no :, no # in front, no line break')
        if (flags.delete && (flags.create || flags.batch || password !== undefined))
          throw new KhlongError('KHLONG_USAGE', '-D goes alone')
        if ((password !== undefined) !== (flags.batch ?? false))
          throw new KhlongError('KHLONG_USAGE', '-b and a password go together')
        const { hashPassword, parsePasswordFile, withPassword } = await import('@khlong/mqtt')
        const former = flags.create ? '' : await readPasswords(file)
        if (flags.delete && !parsePasswordFile(former, file).has(user))
          throw new KhlongError('KHLONG_USAGE', `${file} has no user ${user}`)
        const iterations = flags.iterations === undefined ? undefined : Number(flags.iterations)
        if (iterations !== undefined && !(Number.isInteger(iterations) && iterations > 0))
          throw new KhlongError('KHLONG_USAGE', '--iterations: expected a whole number from 1')
        const hash = flags.delete
          ? undefined
          : await hashPassword(password ?? (await askPassword(user)), iterations)
        // A reader sees the file before or the file after, never half of one.
        const next = `${file}.new`
        await writeFile(next, withPassword(former, user, hash), { mode: 0o600 })
        await rename(next, file)
      },
    )
}

async function readPasswords(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new KhlongError('KHLONG_USAGE', `${file} cannot be read; -c makes a new file`, {
      cause: error,
    })
  }
}

async function askPassword(user: string): Promise<string> {
  const password = await readSecret(`Password for ${user}: `)
  if (password === '') throw new KhlongError('KHLONG_USAGE', 'the password is empty')
  if (process.stdin.isTTY && (await readSecret('Again: ')) !== password)
    throw new KhlongError('KHLONG_USAGE', 'the two passwords differ')
  return password
}
