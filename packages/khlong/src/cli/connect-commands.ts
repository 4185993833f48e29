import { CodedError } from '@khlong/core'
import type { Command } from 'commander'
import { authorizationHeaders } from './credentials.ts'

const urlOption = ['--url <url>', 'the worker', 'http://127.0.0.1:8083'] as const

/** `khlong connect ls|status|pause|resume|restart|delete`. */
export function addConnectCommands(command: Command): void {
  command
    .command('ls')
    .description('connectors with their states')
    .option(...urlOption)
    .action(async ({ url }: { url: string }) => {
      const connectors = (await ask(url, 'GET', '/connectors?expand=status')) as Record<
        string,
        { status: { connector: { state: string }; tasks: { state: string }[] } }
      >
      for (const [name, { status }] of Object.entries(connectors))
        process.stdout.write(
          `${name}\t${status.connector.state}\t${status.tasks.map(({ state }) => state).join(',')}\n`,
        )
    })
  command
    .command('status')
    .description('one connector’s state and traces')
    .argument('<name>')
    .option(...urlOption)
    .action(async (name: string, { url }: { url: string }) => {
      const status = await ask(url, 'GET', `/connectors/${encodeURIComponent(name)}/status`)
      process.stdout.write(`${JSON.stringify(status, null, 2)}\n`)
    })
  for (const [verb, method, action = verb] of [
    ['pause', 'PUT'],
    ['resume', 'PUT'],
    ['stop', 'PUT'],
    ['restart', 'POST', 'restart?includeTasks=true'],
  ] as const)
    command
      .command(verb)
      .description(verb === 'restart' ? 'restart a connector and its tasks' : `${verb} a connector`)
      .argument('<name>')
      .option(...urlOption)
      .action(async (name: string, { url }: { url: string }) => {
        await ask(url, method, `/connectors/${encodeURIComponent(name)}/${action}`)
      })
}

async function ask(url: string, method: string, path: string): Promise<unknown> {
  const response = await fetch(`${url}${path}`, { method, headers: authorizationHeaders() })
  const text = await response.text()
  if (!response.ok)
    throw new CodedError('CONNECT_REFUSED', `${method} ${path}: ${response.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}
