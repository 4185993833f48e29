import type { Role, SessionState } from '../../src/model/people.ts'
import { createStore, useStore } from './store.ts'

/** Who the server takes the reader for. Until it is known: as if nobody had to log in. */
export const sessionStore = createStore<SessionState>({ kind: 'open', canSetUp: false })

/** Asks the server anew. */
export async function loadSession(): Promise<void> {
  const response = await fetch('/-/session')
  if (response.ok) sessionStore.set((await response.json()) as SessionState)
}

const rank: Readonly<Record<Role, number>> = { viewer: 0, editor: 1, administrator: 2 }

/** Whether the reader has that role or a higher one. The server decides; this hides what it would refuse. */
export function mayAs(session: SessionState, role: Role): boolean {
  if (session.kind === 'open') return true
  return session.kind === 'in' && rank[session.role] >= rank[role]
}

export function useMay(role: Role): boolean {
  return mayAs(useStore(sessionStore), role)
}
