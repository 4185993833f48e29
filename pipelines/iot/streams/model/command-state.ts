import { type Serde, serdes } from '@khlong/streams'
import type { Answer, Command } from './command.ts'

/**
 * What became of a command: `sent` is on its way, or waits for its device; `acknowledged` has been
 * answered; `expired` was not answered in time. `early` is an answer that came before its command.
 */
export interface CommandState extends Command {
  readonly state: 'sent' | 'acknowledged' | 'expired' | 'early'
  /** When the device answered, and what. */
  readonly acknowledged?: number
  readonly ok?: boolean
  readonly error?: string
}

export const commandStates: Serde<CommandState> = serdes.json<CommandState>()

/** What the store is told: a command was given, or a device has answered. */
export type CommandEvent =
  | { readonly kind: 'command'; readonly command: Command }
  | { readonly kind: 'answer'; readonly device: string; readonly answer: Answer }

export const commandEvents: Serde<CommandEvent> = serdes.json<CommandEvent>()

/** How long an answer waits for its command. */
const earlyMs = 300_000

/** A new command, with the answer that came before it. */
export function stateOf(command: Command, early: CommandState | undefined): CommandState {
  if (!early) return { ...command, state: 'sent' }
  return { ...early, ...command, state: 'acknowledged' }
}

/** After an answer. The first one counts, also where it comes late; a device speaks for itself only. */
export function afterAnswer(
  before: CommandState,
  device: string,
  answer: Answer,
  timestampMs: number,
): CommandState {
  if (before.device !== device || before.acknowledged !== undefined) return before
  return { ...before, ...said(answer, timestampMs), state: 'acknowledged' }
}

/** An answer whose command has not been seen. */
export function earlyAnswer(device: string, answer: Answer, timestampMs: number): CommandState {
  return {
    ...{ id: answer.id, device, action: '', params: {}, by: '' },
    ...{ timestamp: timestampMs, expires: timestampMs + earlyMs },
    ...said(answer, timestampMs),
    state: 'early',
  }
}

/** Where an early answer is kept: apart from those that other devices make up. */
export const earlyKey = (device: string, id: string): string => `early/${device}/${id}`

function said(
  { ok, error }: Answer,
  timestampMs: number,
): Pick<CommandState, 'acknowledged' | 'ok' | 'error'> {
  return { acknowledged: timestampMs, ok, ...(error === undefined ? {} : { error }) }
}

/** When time alone changes a state: a command expires, and what is over is forgotten. */
export function dueMs({ state, timestamp, expires }: CommandState, keepMs: number): number {
  if (state === 'sent' || state === 'early') return expires
  return Math.max(timestamp, expires) + keepMs
}

/** What becomes of a state that is due; null is forgotten. */
export function afterTime(before: CommandState): CommandState | null {
  return before.state === 'sent' ? { ...before, state: 'expired' } : null
}
