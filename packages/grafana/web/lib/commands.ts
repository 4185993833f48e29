import type { CommandNow } from '../../src/model/commands.ts'
import type { Level } from '../ui/state-mark.tsx'
import { ask } from './api.ts'
import { type QueryState, refreshQueries, useQuery } from './query.ts'
import { useSetup } from './setup.ts'

const shownMax = 100

/** How a command stands, also where its device has answered that it did not do it. */
export type CommandOutcome = CommandNow['state'] | 'refused'

export const commandLevels: Readonly<Record<CommandOutcome, Level>> = {
  sent: 'idle',
  acknowledged: 'ok',
  expired: 'warn',
  refused: 'critical',
}

export function outcomeOf({ state, ok }: CommandNow): CommandOutcome {
  return state === 'acknowledged' && ok === false ? 'refused' : state
}

/** The newest commands, of one device or of all. */
export function useCommands(
  device?: string,
): QueryState<readonly CommandNow[]> & { retry: () => void } {
  const setup = useSetup()
  const query =
    device === undefined ? `limit=${shownMax}` : `limit=5&device=${encodeURIComponent(device)}`
  return useQuery(
    setup?.configured.platform ? `commands ${query}` : undefined,
    async (signal) =>
      (await ask<{ commands: readonly CommandNow[] }>(`/-/commands?${query}`, { signal })).commands,
    1_000,
  )
}

/** Gives a command; the lists follow. */
export async function sendCommand(command: {
  device: string
  action: string
  params: object
  expiresInMs: number
}): Promise<void> {
  await ask('/-/commands', { method: 'POST', body: command })
  refreshQueries('commands')
}
