import type { ReactNode } from 'react'
import type { Role } from '../../src/model/people.ts'
import { type TextKey, useText } from '../i18n/index.ts'
import { ask } from '../lib/api.ts'
import { go, hrefTo } from '../lib/router.tsx'
import { loadSession, mayAs, sessionStore } from '../lib/session.ts'
import { useStore } from '../lib/store.ts'
import { Icon } from '../ui/icons.tsx'
import { MenuItem, Popover } from '../ui/popover.tsx'
import { paletteStore } from './palette-store.ts'

export const roleTexts: Readonly<Record<Role, TextKey>> = {
  administrator: 'roleAdministrator',
  editor: 'roleEditor',
  viewer: 'roleViewer',
}

/** Ends the session on the server, then shows the login. */
export async function logOut(): Promise<void> {
  await ask('/logout', { method: 'POST', body: {} }).catch(() => {})
  await loadSession()
}

/** Who one is, and what follows from it. */
export function UserMenu() {
  const text = useText()
  const session = useStore(sessionStore)
  return (
    <Popover
      label={session.kind === 'in' ? `${text('userMenu')}: ${session.name}` : text('userMenu')}
      className="icon-button user-button"
      align="right"
      button={
        <>
          <Icon name="person" />
          {session.kind === 'in' && <span>{session.name}</span>}
        </>
      }
    >
      {(close) => <UserLines onChosen={close} />}
    </Popover>
  )
}

/** The same lines in the menu of the bar and in the sheet of a phone. */
export function UserLines({
  onChosen,
  hasPeople = true,
}: {
  onChosen: () => void
  /** Whether the way to People is one of the lines. */
  hasPeople?: boolean
}) {
  const text = useText()
  const session = useStore(sessionStore)
  const choose = (run: () => void) => () => {
    onChosen()
    run()
  }
  const line = (icon: ReactNode, name: string, run: () => void) => (
    <MenuItem onChoose={choose(run)}>
      {icon} {name}
    </MenuItem>
  )
  return (
    <div className="menu user-lines">
      {session.kind === 'in' ? (
        <p>
          <b>{session.name}</b> <small>{text(roleTexts[session.role])}</small>
        </p>
      ) : (
        <p className="user-open">
          <b>{text('userOpen')}</b>
          <small>{text('userOpenHint')}</small>
        </p>
      )}
      {hasPeople &&
        mayAs(session, 'administrator') &&
        line(<Icon name="people" />, text(session.kind === 'in' ? 'people' : 'setupTitle'), () =>
          go(hrefTo('/people')),
        )}
      {session.kind === 'in' &&
        session.isUser &&
        line(<Icon name="key" />, text('changePassword'), () => paletteStore.set('password'))}
      {session.kind === 'in' && line(<Icon name="out" />, text('logOut'), () => void logOut())}
    </div>
  )
}
