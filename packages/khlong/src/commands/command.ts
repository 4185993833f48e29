import { KhlongError } from '../errors.ts'

// Commands as the pipeline carries them: pipelines/iot/streams/iot-commands.ts keeps their states.

/** What somebody wants a device to do. */
export interface CommandGiven {
  readonly device: string
  readonly action: string
  readonly params?: Readonly<Record<string, unknown>> | undefined
  /** For how long it is of use. Default a minute. */
  readonly expiresInMs?: number | undefined
  /** Whoever repeats a request gives the same id, and the device acts once. Default a fresh one. */
  readonly id?: string | undefined
  readonly by: string
}

/** A record of `iot-commands`. Times are milliseconds since the epoch. */
export interface Command {
  readonly id: string
  readonly device: string
  readonly action: string
  readonly params: Readonly<Record<string, unknown>>
  readonly timestamp: number
  readonly expires: number
  readonly by: string
}

export const commandStates = ['sent', 'acknowledged', 'expired'] as const

/** A command with what became of it. */
export interface CommandState extends Command {
  readonly state: (typeof commandStates)[number]
  /** When its device answered, whether it did it, and why not. */
  readonly acknowledged?: number
  readonly ok?: boolean
  readonly error?: string
}

export const commandsTopic = 'iot-commands'
/** The changelog of the store in which the application iot-commands keeps states, by id. */
export const statesTopic = 'iot-commands-command-states-changelog'

const expiresInMsDefault = 60_000
const expiresInMsMin = 1_000
const expiresInMsMax = 30 * 86_400_000
const paramsBytesMax = 4_096

/** @throws KhlongError `KHLONG_COMMAND_INVALID` */
export function makeCommand(given: CommandGiven, nowMs: number, freshId: string): Command {
  const { device, action, params = {}, expiresInMs = expiresInMsDefault, id = freshId } = given
  // It is a level of an MQTT topic, whoever made it up.
  check('device', device, /^[^/+#\0]{1,128}$/, 'expected 1 to 128 characters without / + #')
  check('action', action, /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,63}$/u, 'expected a word')
  check('id', id, /^[\w.:-]{1,128}$/, 'expected 1 to 128 letters, digits and . _ : -')
  if (typeof params !== 'object' || params === null || Array.isArray(params))
    throw invalid('params: expected a JSON object')
  if (Buffer.byteLength(JSON.stringify(params)) > paramsBytesMax)
    throw invalid(`params: expected at most ${paramsBytesMax} bytes of JSON`)
  if (
    !Number.isSafeInteger(expiresInMs) ||
    expiresInMs < expiresInMsMin ||
    expiresInMs > expiresInMsMax
  )
    throw invalid(`expiresInMs: expected a whole number, 1 s to 30 days`)
  return {
    ...{ id, device, action, params },
    ...{ timestamp: nowMs, expires: nowMs + expiresInMs },
    by: given.by.slice(0, 100),
  }
}

/** A state as the changelog has it; undefined for what is none that people know. */
export function readState(text: string): CommandState | undefined {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  const state = (json ?? {}) as CommandState
  return commandStates.includes(state.state) && typeof state.id === 'string' ? state : undefined
}

function check(what: string, value: unknown, pattern: RegExp, expected: string): void {
  if (typeof value !== 'string' || !pattern.test(value))
    throw invalid(`${what}: ${expected}, found ${JSON.stringify(value)?.slice(0, 80)}`)
}

function invalid(message: string): KhlongError {
  return new KhlongError('KHLONG_COMMAND_INVALID', message)
}
