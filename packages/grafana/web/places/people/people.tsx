import { useState } from 'react'
import type { People } from '../../../src/model/people.ts'
import { SetupForm } from '../../entry/setup-form.tsx'
import { type TextKey, useText } from '../../i18n/index.ts'
import { ask } from '../../lib/api.ts'
import { refreshQueries, useQuery } from '../../lib/query.ts'
import { hrefTo, Link, useParam } from '../../lib/router.tsx'
import { mayAs, sessionStore } from '../../lib/session.ts'
import { useStore } from '../../lib/store.ts'
import { Empty, PlaceFace } from '../../ui/faces.tsx'
import { Icon } from '../../ui/icons.tsx'
import { useTitle } from '../../ui/place-title.ts'
import { Audit } from './audit.tsx'
import { AddTokenDialog, Tokens } from './tokens.tsx'
import { AddUserDialog, Users } from './users.tsx'

const tabs: readonly { id: string; name: TextKey }[] = [
  { id: '', name: 'peopleUsers' },
  { id: 'tokens', name: 'peopleTokens' },
  { id: 'audit', name: 'peopleAudit' },
]

/** Who may do what: users, tokens of programs, and what was changed by whom. */
export function PeoplePlace(_: { rest: string[] }) {
  const text = useText()
  useTitle(text('people'))
  const session = useStore(sessionStore)
  const [tab] = useParam('tab')
  const [adding, setAdding] = useState(false)
  const isOpen = session.kind === 'open'
  const isAdministrator = mayAs(session, 'administrator')
  const { data, error, retry } = useQuery(
    isAdministrator && !isOpen ? 'people' : undefined,
    (signal) => ask<People>('/-/access/people', { signal }),
    10_000,
  )
  if (isOpen || !isAdministrator)
    return (
      <>
        <header className="place-head">
          <h1>{text('people')}</h1>
        </header>
        {isOpen ? (
          <NobodyYet canSetUp={session.canSetUp} />
        ) : (
          <section className="panel pad">
            <Empty title={text('peopleForbidden')} hint={text('peopleForbiddenHint')} />
          </section>
        )}
      </>
    )
  const counts: Readonly<Record<string, number | undefined>> = {
    '': data?.users.length,
    tokens: data?.tokens.length,
  }
  return (
    <>
      <header className="place-head">
        <h1>{text('people')}</h1>
        <span className="bar-space" />
        {tab !== 'audit' && (
          <button type="button" className="button primary" onClick={() => setAdding(true)}>
            <Icon name="plus" size={14} /> {text(tab === 'tokens' ? 'tokenNew' : 'peopleAddUser')}
          </button>
        )}
      </header>
      <nav className="tabs place-tabs" aria-label={text('people')}>
        {tabs.map(({ id, name }) => (
          <Link
            key={id}
            to={hrefTo('/people', id === '' ? {} : { tab: id })}
            aria-current={tab === id ? 'page' : undefined}
          >
            {text(name)} {counts[id] !== undefined && <small>{counts[id]}</small>}
          </Link>
        ))}
      </nav>
      {tab === 'audit' ? (
        <Audit />
      ) : !data ? (
        <PlaceFace part={text('people')} setting="" error={error} onRetry={retry} />
      ) : tab === 'tokens' ? (
        <Tokens tokens={data.tokens} />
      ) : (
        <Users users={data.users} />
      )}
      {adding &&
        (tab === 'tokens' ? (
          <AddTokenDialog onClose={closeAdding} />
        ) : (
          <AddUserDialog onClose={closeAdding} />
        ))}
    </>
  )

  function closeAdding(): void {
    setAdding(false)
    refreshQueries('people')
  }
}

/** Nobody has to log in: says so, and makes the first administrator where that may be done. */
function NobodyYet({ canSetUp }: { canSetUp: boolean }) {
  const text = useText()
  return (
    <section className="panel pad nobody-yet">
      <Empty title={text('userOpen')} hint={text(canSetUp ? 'userOpenHint' : 'userOpenAway')} />
      {canSetUp && (
        <>
          <h2>{text('setupTitle')}</h2>
          <SetupForm needsCode={false} />
        </>
      )}
    </section>
  )
}
