import type http from 'node:http'
import { describeError, isEqualSecret } from '@khlong/core'
import type { CommandGiven } from '../commands/command.ts'
import type { CommandLog } from '../commands/command-log.ts'
import { KhlongError, type KhlongErrorCode } from '../errors.ts'
import { type JsonAnswer, readJson } from './json-request.ts'

const statusOf: Partial<Record<KhlongErrorCode, number>> = {
  KHLONG_COMMAND_INVALID: 400,
  KHLONG_COMMANDS_UNAVAILABLE: 503,
  KHLONG_USAGE: 400,
}

const listedMax = 500
const bodyBytesMax = 16_384

export interface CommandRoutesOptions {
  commands: CommandLog
  /** What this run's own clients show as `Authorization: Bearer`; they have asked who their user is. */
  token: string
  /** The name under which a device gets commands, where it is known by another. */
  addressOf(device: string): Promise<string>
}

/**
 * Commands for the pipeline's own console: `GET /-/commands?device=NAME&limit=N` lists them with what
 * became of them, newest first, `POST /-/commands` gives one and answers when it is durable.
 */
export class CommandRoutes {
  readonly #options: CommandRoutesOptions

  constructor(options: CommandRoutesOptions) {
    this.#options = options
  }

  /** The answer to a request about commands; undefined where it is about something else. */
  async answer(request: http.IncomingMessage, url: URL): Promise<JsonAnswer | undefined> {
    if (url.pathname !== '/-/commands') return undefined
    const [, token] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? []
    if (!isEqualSecret(token ?? '', this.#options.token))
      return { status: 401, body: { message: "this is for the pipeline's own console" } }
    try {
      if (request.method === 'GET') return { status: 200, body: await this.#list(url.searchParams) }
      if (request.method === 'POST') {
        const given = givenOf(await readJson(request, bodyBytesMax))
        const device = await this.#options.addressOf(given.device)
        return { status: 201, body: await this.#options.commands.give({ ...given, device }) }
      }
      return { status: 405, body: { message: `${request.method} is not answered here` } }
    } catch (error) {
      const status = error instanceof KhlongError ? (statusOf[error.code] ?? 500) : 500
      return { status, body: { message: describeError(error) } }
    }
  }

  async #list(query: URLSearchParams): Promise<unknown> {
    const limit = Math.min(listedMax, Math.max(1, Number(query.get('limit')) || 50))
    const named = query.get('device')
    const device = named === null ? undefined : await this.#options.addressOf(named)
    return { commands: await this.#options.commands.list({ device, limit }) }
  }
}

/** What a request asks for; `makeCommand` checks the values. */
function givenOf(body: unknown): CommandGiven {
  const { device, action, params, expiresInMs, id, by } = (body ?? {}) as Partial<CommandGiven>
  return {
    device: device ?? '',
    action: action ?? '',
    params,
    expiresInMs,
    id,
    by: typeof by === 'string' ? by : '',
  }
}
