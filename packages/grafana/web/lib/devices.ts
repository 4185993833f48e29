import type { DeviceNow, DeviceState } from '../../src/model/devices.ts'
import type { Level } from '../ui/state-mark.tsx'
import { ask } from './api.ts'
import { type QueryState, refreshQueries, useQuery } from './query.ts'
import { useSetup } from './setup.ts'

export const deviceLevels: Readonly<Record<DeviceState, Level>> = {
  waiting: 'idle',
  live: 'ok',
  silent: 'critical',
  rejected: 'critical',
  revoked: 'idle',
}

/** The devices that are known by name, and how each is doing; null where there is no registry. */
export function useDevices(
  refreshMs = 2_000,
): QueryState<readonly DeviceNow[] | null> & { retry: () => void } {
  const setup = useSetup()
  const isAsked = setup?.configured.platform === true
  const query = useQuery(
    isAsked ? 'devices' : undefined,
    (signal) => ask<readonly DeviceNow[] | null>('/-/devices', { signal }),
    refreshMs,
  )
  return setup && !isAsked ? { ...query, data: null } : query
}

/** Changes a device, or adds one; the list follows. */
export async function changeDevices<Answer>(
  method: 'POST' | 'DELETE',
  path: string,
  body?: object,
): Promise<Answer> {
  // The platform puts into programs the address at which this machine was reached.
  const host = encodeURIComponent(location.hostname)
  const answer = await ask<Answer>(`/-/devices${path}?host=${host}`, {
    method,
    ...(body === undefined ? {} : { body }),
  })
  refreshQueries('devices')
  return answer
}
