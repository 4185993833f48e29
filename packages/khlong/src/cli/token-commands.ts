import type { Command } from 'commander'
import { KhlongError } from '../errors.ts'
import {
  type AccessFlags,
  addAccessOptions,
  momentText,
  roleFlag,
  systemUser,
  withUsers,
} from './access-folder.ts'

interface TokenFlags extends AccessFlags {
  role: string
  days: string
  json?: boolean
}

const dayMs = 86_400_000

/** `khlong token create|list|revoke`. */
export function addTokenCommands(program: Command): void {
  const token = program.command('token').description('look after the tokens of programs')

  addAccessOptions(token.command('create'))
    .description('make a token and print it; it is not shown again')
    .argument('<name>')
    .option('--role <role>', 'administrator, editor or viewer', 'viewer')
    .option('--days <n>', 'how long it lasts; 0 for ever', '90')
    .action((name: string, flags: TokenFlags) =>
      withUsers(flags, async (store, note) => {
        const days = Number(flags.days)
        if (!Number.isInteger(days) || days < 0)
          throw new KhlongError('KHLONG_USAGE', `expected a number of days, found ${flags.days}`)
        const role = roleFlag(flags.role)
        const text = await store.createToken({
          name,
          role,
          createdBy: systemUser() || 'command line',
          expiresMs: days === 0 ? null : Date.now() + days * dayMs,
        })
        note('token.create', name, days === 0 ? role : `${role}, ${days} d`)
        process.stdout.write(`${text}\n`)
      }),
    )

  addAccessOptions(token.command('list'))
    .description('print the tokens, one a line: name, role, ends, last seen')
    .option('--json', 'as JSON')
    .action((flags: TokenFlags) =>
      withUsers(flags, async (store) => {
        const tokens = store.accounts.tokens.map(({ digest: _, ...shown }) => shown)
        if (flags.json) process.stdout.write(`${JSON.stringify(tokens)}\n`)
        else
          for (const { name, role, expiresMs, lastSeenMs } of tokens)
            process.stdout.write(
              `${name.padEnd(24)}${role.padEnd(15)}${momentText(expiresMs).padEnd(18)}${momentText(lastSeenMs)}\n`,
            )
      }),
    )

  addAccessOptions(token.command('revoke'))
    .description('end a token at once')
    .argument('<name>')
    .action((name: string, flags: TokenFlags) =>
      withUsers(flags, async (store, note) => {
        await store.revokeToken(name)
        note('token.revoke', name)
      }),
    )
}
