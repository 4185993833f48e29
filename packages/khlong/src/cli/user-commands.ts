import { newPassword } from '@khlong/core'
import type { Command } from 'commander'
import { KhlongError } from '../errors.ts'
import { readSecret } from '../terminal/read-secret.ts'
import {
  type AccessFlags,
  addAccessOptions,
  momentText,
  roleFlag,
  withUsers,
} from './access-folder.ts'

interface UserFlags extends AccessFlags {
  role?: string
  generate?: boolean
  json?: boolean
}

/** `khlong user add|list|remove|passwd|role`. */
export function addUserCommands(program: Command): void {
  const user = program.command('user').description('look after the people who may log in')

  addAccessOptions(user.command('add'))
    .description('add a user; the password is asked for, or read from standard input')
    .argument('<name>')
    .option('--role <role>', 'administrator, editor or viewer; the first user is an administrator')
    .option('--generate', 'make a password and print it')
    .action((name: string, flags: UserFlags) =>
      withUsers(flags, async (store, note) => {
        const role = roleFlag(flags.role ?? (store.hasUsers ? 'viewer' : 'administrator'))
        const password = await passwordFor(name, flags)
        const added = await store.addUser({ name, role, password })
        note('user.add', added.name, role)
        if (flags.generate) process.stdout.write(`${password}\n`)
        process.stderr.write(`${added.name} is ${role}\n`)
      }),
    )

  addAccessOptions(user.command('list'))
    .description('print the users, one a line: name, role, made, last seen')
    .option('--json', 'as JSON')
    .action((flags: UserFlags) =>
      withUsers(flags, async (store) => {
        const users = store.accounts.users.map(({ name, role, createdMs, lastSeenMs }) => ({
          name,
          role,
          createdMs,
          lastSeenMs: lastSeenMs ?? null,
        }))
        if (flags.json) process.stdout.write(`${JSON.stringify(users)}\n`)
        else
          for (const { name, role, createdMs, lastSeenMs } of users)
            process.stdout.write(
              `${name.padEnd(24)}${role.padEnd(15)}${momentText(createdMs)}  ${momentText(lastSeenMs)}\n`,
            )
      }),
    )

  addAccessOptions(user.command('remove'))
    .description('remove a user and end their sessions')
    .argument('<name>')
    .action((name: string, flags: UserFlags) =>
      withUsers(flags, async (store, note) => {
        await store.removeUser(name)
        note('user.remove', name)
      }),
    )

  addAccessOptions(user.command('passwd'))
    .description('give a user another password and end their sessions')
    .argument('<name>')
    .option('--generate', 'make a password and print it')
    .action((name: string, flags: UserFlags) =>
      withUsers(flags, async (store, note) => {
        if (!store.findUser(name)) throw new KhlongError('KHLONG_USAGE', `there is no user ${name}`)
        const password = await passwordFor(name, flags)
        await store.setPassword(name, password)
        note('user.password', name)
        if (flags.generate) process.stdout.write(`${password}\n`)
      }),
    )

  addAccessOptions(user.command('role'))
    .description('give a user another role')
    .argument('<name>')
    .argument('<role>', 'administrator, editor or viewer')
    .action((name: string, role: string, flags: UserFlags) =>
      withUsers(flags, async (store, note) => {
        await store.setRole(name, roleFlag(role))
        note('user.role', name, role)
      }),
    )
}

async function passwordFor(name: string, flags: UserFlags): Promise<string> {
  return flags.generate ? newPassword() : readSecret(`password for ${name}: `)
}
