import { useState } from 'react'
import type { Role, TokenNow } from '../../../src/model/people.ts'
import { useText } from '../../i18n/index.ts'
import { ask } from '../../lib/api.ts'
import { useNow } from '../../lib/clock.ts'
import { duration } from '../../lib/duration.ts'
import { dateTimeText } from '../../lib/format.ts'
import { refreshQueries } from '../../lib/query.ts'
import { Dialog } from '../../shell/dialog.tsx'
import { roleTexts } from '../../shell/user-menu.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Empty, Tag } from '../../ui/faces.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { ListPanel } from '../../ui/list-panel.tsx'
import { NameField, RoleChoice } from './fields.tsx'
import { Since } from './moments.tsx'

const soonMs = 7 * 86_400_000

/** The tokens of programs; what one is was shown once, when it was made. */
export function Tokens({ tokens }: { tokens: readonly TokenNow[] }) {
  const text = useText()
  const nowMs = useNow()
  const [revoking, setRevoking] = useState<string | undefined>(undefined)
  if (tokens.length === 0)
    return (
      <section className="panel pad">
        <Empty
          title={text('tokenNone')}
          hint={text('tokenNoneHint')}
          command="npx khlong token create my-script --role viewer --days 90"
        />
      </section>
    )
  return (
    <>
      <ListPanel
        label={text('peopleTokens')}
        head={null}
        columns={[
          text('loginName'),
          text('peopleRole'),
          { figure: text('tokenEnds') },
          { figure: text('peopleSeen') },
          text('tokenMadeBy'),
          { figure: text('more') },
        ]}
      >
        {tokens.map(({ name, role, createdMs, createdBy, expiresMs, lastSeenMs }) => {
          const leftMs = expiresMs === null ? Number.POSITIVE_INFINITY : expiresMs - nowMs
          return (
            <tr key={name}>
              <td className="person-name">{name}</td>
              <td>
                <Tag>{text(roleTexts[role])}</Tag>
              </td>
              <td
                className={`figure ${leftMs < soonMs ? 'warn' : ''}`}
                data-label={text('tokenEnds')}
                title={expiresMs === null ? '' : dateTimeText(expiresMs)}
              >
                {expiresMs === null
                  ? text('tokenForEver')
                  : leftMs <= 0
                    ? text('tokenEnded')
                    : duration(leftMs)}
              </td>
              <td className="figure" data-label={text('peopleSeen')}>
                <Since atMs={lastSeenMs} />
              </td>
              <td data-label={text('tokenMadeBy')} title={dateTimeText(createdMs)}>
                {createdBy}
              </td>
              <td className="figure row-end">
                <button
                  type="button"
                  className="button small"
                  aria-label={text('tokenRevokeTitle', { name })}
                  onClick={() => setRevoking(name)}
                >
                  {text('tokenRevoke')}
                </button>
              </td>
            </tr>
          )
        })}
      </ListPanel>
      {revoking !== undefined && (
        <FormDialog
          title={text('tokenRevokeTitle', { name: revoking })}
          action={text('tokenRevoke')}
          isDangerous
          onClose={() => setRevoking(undefined)}
          onSubmit={async () => {
            await ask(`/-/access/tokens/${encodeURIComponent(revoking)}`, { method: 'DELETE' })
            refreshQueries('people')
          }}
        >
          <p>{text('tokenRevokeHint')}</p>
        </FormDialog>
      )}
    </>
  )
}

/** Makes a token, then shows it once. */
export function AddTokenDialog({ onClose }: { onClose: () => void }) {
  const text = useText()
  const [name, setName] = useState('')
  const [role, setRole] = useState<Role>('viewer')
  const [days, setDays] = useState('90')
  const [token, setToken] = useState('')
  if (token !== '')
    return (
      <Dialog label={text('tokenNew')} className="form-dialog" onClose={onClose}>
        <header>
          <h2>{name}</h2>
        </header>
        <div className="stack token-once">
          <p className="face-title">{text('tokenOnce')}</p>
          <CopyLine command={token} wrap />
          <p className="hint">{text('tokenOnceHint')}</p>
          <CopyLine
            command={`curl -H 'Authorization: Bearer ${token}' ${location.origin}/api/user`}
          />
          <footer>
            <button type="button" className="button primary" onClick={onClose}>
              {text('done')}
            </button>
          </footer>
        </div>
      </Dialog>
    )
  return (
    <FormDialog
      title={text('tokenNew')}
      action={text('tokenNew')}
      onClose={onClose}
      // The token takes the form's place, to be read.
      onDone={() => {}}
      onSubmit={async () => {
        const answer = await ask<{ token: string }>('/-/access/tokens', {
          method: 'POST',
          body: { name, role, days: days === '' ? null : Number(days) },
        })
        setToken(answer.token)
      }}
    >
      <NameField value={name} onChange={setName} />
      <RoleChoice value={role} onChange={setRole} />
      <label>
        <span>{text('tokenLasts')}</span>
        <select value={days} onChange={(event) => setDays(event.target.value)}>
          {['7', '30', '90', '365'].map((count) => (
            <option key={count} value={count}>
              {text('tokenDays', { count })}
            </option>
          ))}
          <option value="">{text('tokenForEver')}</option>
        </select>
      </label>
    </FormDialog>
  )
}
