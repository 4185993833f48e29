import type { Command } from 'commander'

interface CertFlags {
  dir: string
  days?: string
}

interface ServerFlags extends CertFlags {
  host: string[]
}

const dirOption = ['--dir <folder>', 'where the authority keeps its files', './certs'] as const
const daysOption = ['--days <n>', 'how long it is good'] as const

/** `khlong cert`: a local authority for TLS in one's own network. */
export function addCertCommands(program: Command): void {
  const command = program
    .command('cert')
    .description('make certificates for TLS, by an authority of your own')

  command
    .command('server')
    .description('a certificate for this machine; makes the authority where there is none')
    .option(...dirOption)
    .option(...daysOption)
    .option(
      '--host <name>',
      'another name or address that it is reached by (repeatable)',
      (value: string, previous: string[]) => [...previous, value],
      [] as string[],
    )
    .action(async ({ dir, host, days }: ServerFlags) => {
      const { Authority, ownHosts } = await import('../authority/authority.ts')
      const authority = await Authority.open(dir)
      const hosts = [...new Set([...host, ...ownHosts()])]
      const { certificate, key } = await authority.issueServer(hosts, daysOf(days))
      print(`certfile ${certificate}`, `keyfile ${key}`, `cafile ${authority.certificateFile}`)
      process.stderr.write(
        `for ${hosts.join(', ')}\nclients have to trust ${authority.certificateFile} (SHA-256 ${authority.fingerprint})\n`,
      )
    })

  command
    .command('client')
    .description('a certificate for a client; its name is its username')
    .argument('<name>')
    .option(...dirOption)
    .option(...daysOption)
    .action(async (name: string, { dir, days }: CertFlags) => {
      const { Authority } = await import('../authority/authority.ts')
      const authority = await Authority.open(dir)
      const { certificate, key } = await authority.issueClient(name, daysOf(days))
      print(`certfile ${certificate}`, `keyfile ${key}`, `cafile ${authority.certificateFile}`)
    })

  command
    .command('revoke')
    .description('take a client’s certificate back; a broker with the crlfile turns it away')
    .argument('<name>')
    .option(...dirOption)
    .action(async (name: string, { dir }: CertFlags) => {
      const { Authority } = await import('../authority/authority.ts')
      print(`crlfile ${await (await Authority.open(dir)).revoke(name)}`)
    })

  command
    .command('crl')
    .description('the list of what was revoked, empty at first')
    .option(...dirOption)
    .action(async ({ dir }: CertFlags) => {
      const { Authority } = await import('../authority/authority.ts')
      print(`crlfile ${await (await Authority.open(dir)).revocationList()}`)
    })
}

function daysOf(written: string | undefined): number | undefined {
  return written === undefined ? undefined : Number(written)
}

function print(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}
