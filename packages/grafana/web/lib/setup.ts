import type { ConsoleSetup } from '../../src/model/platform.ts'
import { ask } from './api.ts'
import { useQuery } from './query.ts'

/** What is configured and where things are. */
export function useSetup(): ConsoleSetup | undefined {
  return useQuery('setup', () => ask<ConsoleSetup>('/-/setup')).data
}
