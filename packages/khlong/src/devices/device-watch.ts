import type { BrokerDescription } from '@khlong/mqtt'
import type { Device } from './device.ts'

/** How a device is doing, since the pipeline was started. */
export interface DeviceStatus {
  readonly name: string
  readonly id: string
  readonly place: string
  readonly kind?: string | undefined
  readonly rate?: number | undefined
  /**
   * `waiting` has not sent anything yet, `live` sends, `silent` did and does no longer, `rejected` was
   * turned away when it came last, `revoked` may not come.
   */
  readonly state: DeviceState
  readonly isConnected: boolean
  /** When it sent something last. */
  readonly lastSeenMs?: number
  /** Why it was turned away. */
  readonly reason?: string
}

export const deviceStates = ['waiting', 'live', 'silent', 'rejected', 'revoked'] as const
export type DeviceState = (typeof deviceStates)[number]

type Seen = Pick<BrokerDescription, 'refusals'> & {
  readonly clients: readonly Pick<
    BrokerDescription['clients'][number],
    'clientId' | 'username' | 'connectedAt' | 'messagesIn'
  >[]
}

/** A device is silent when so many frames that were expected have not come, and not before 10 s. */
const framesMissed = 5
const silentAfterMsMin = 10_000

interface Watched {
  /** Connections by client id and time, with the messages that came over them. */
  connections: Map<string, number>
  lastSeenMs: number | undefined
}

/** Tells from what a broker says, look by look, which devices send. */
export class DeviceWatch {
  #watched = new Map<string, Watched>()

  /** How each device is doing, in the order of the registry. */
  observe(devices: readonly Device[], seen: Seen, nowMs: number): readonly DeviceStatus[] {
    const connections = new Map<string, Map<string, number>>()
    for (const { username, clientId, connectedAt, messagesIn } of seen.clients) {
      if (username === undefined) continue
      const own = connections.get(username) ?? new Map<string, number>()
      connections.set(username, own.set(`${connectedAt} ${clientId}`, messagesIn))
    }
    const watched = new Map<string, Watched>()
    const statuses = devices.map((device) => {
      const now = connections.get(device.name) ?? new Map<string, number>()
      const former = this.#watched.get(device.name)
      const hasSent = [...now].some(
        ([connection, messages]) => messages > (former?.connections.get(connection) ?? 0),
      )
      const lastSeenMs = hasSent ? nowMs : former?.lastSeenMs
      watched.set(device.name, { connections: now, lastSeenMs })
      return statusOf(device, { isConnected: now.size > 0, lastSeenMs, seen, nowMs })
    })
    this.#watched = watched
    return statuses
  }
}

function statusOf(
  device: Device,
  facts: { isConnected: boolean; lastSeenMs: number | undefined; seen: Seen; nowMs: number },
): DeviceStatus {
  const { isConnected, lastSeenMs, seen, nowMs } = facts
  const { name, id, place, kind, rate, revokedMs } = device
  // The latest stands first.
  const refusal = seen.refusals.find(({ username }) => username === name)
  const isRejected = !isConnected && refusal !== undefined && refusal.at > (lastSeenMs ?? 0)
  const silentAfterMs = Math.max(silentAfterMsMin, (framesMissed * 1_000) / (rate ?? 1))
  const state = (): DeviceState => {
    if (revokedMs !== undefined) return 'revoked'
    if (isRejected) return 'rejected'
    if (lastSeenMs === undefined) return 'waiting'
    return nowMs - lastSeenMs <= silentAfterMs ? 'live' : 'silent'
  }
  return {
    name,
    id,
    place,
    ...(kind === undefined ? {} : { kind }),
    ...(rate === undefined ? {} : { rate }),
    state: state(),
    isConnected,
    ...(lastSeenMs === undefined ? {} : { lastSeenMs }),
    ...(isRejected && revokedMs === undefined ? { reason: reasonText(refusal.reason) } : {}),
  }
}

/** Reason codes of MQTT 5 that a broker refuses a login with: the name is one of the registry. */
function reasonText(reason: number): string {
  if (reason === 0x86 || reason === 0x87) return 'wrong secret'
  if (reason === 0x89) return 'too many wrong logins from its address'
  return `reason 0x${reason.toString(16)}`
}

/** How many devices are in each state. */
export function countStates(statuses: readonly DeviceStatus[]): Record<DeviceState, number> {
  const counts: Record<DeviceState, number> = {
    waiting: 0,
    live: 0,
    silent: 0,
    rejected: 0,
    revoked: 0,
  }
  for (const { state } of statuses) counts[state]++
  return counts
}
