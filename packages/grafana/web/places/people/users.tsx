import { useState } from 'react'
import type { PersonNow, Role } from '../../../src/model/people.ts'
import { useText } from '../../i18n/index.ts'
import { ask } from '../../lib/api.ts'
import { dateTimeText } from '../../lib/format.ts'
import { refreshQueries } from '../../lib/query.ts'
import { sessionStore } from '../../lib/session.ts'
import { useStore } from '../../lib/store.ts'
import { roleTexts } from '../../shell/user-menu.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Tag } from '../../ui/faces.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { FormError } from '../../ui/form-error.tsx'
import { Icon } from '../../ui/icons.tsx'
import { PasswordField } from '../../ui/password-field.tsx'
import { MenuItem, Popover } from '../../ui/popover.tsx'
import { easyPassword } from './easy-password.ts'
import { NameField, RoleChoice } from './fields.tsx'
import { Since } from './moments.tsx'

const userPath = (name: string): string => `/-/access/users/${encodeURIComponent(name)}`

/** The users, each with a role that is chosen in place. */
export function Users({ users }: { users: readonly PersonNow[] }) {
  const text = useText()
  const session = useStore(sessionStore)
  const self = session.kind === 'in' ? session.name : ''
  const [error, setError] = useState<Error | undefined>(undefined)
  const [open, setOpen] = useState<{ name: string; kind: 'password' | 'remove' } | undefined>()
  const setRole = async (name: string, role: Role): Promise<void> => {
    setError(undefined)
    await ask(userPath(name), { method: 'PUT', body: { role } }).catch((fault: Error) =>
      setError(fault),
    )
    refreshQueries('people')
  }
  const close = (): void => {
    setOpen(undefined)
    refreshQueries('people')
  }
  return (
    <section className="panel" aria-label={text('peopleUsers')}>
      {error && (
        <div className="toolbar-note">
          <FormError error={error} />
        </div>
      )}
      <table className="people-table">
        <thead>
          <tr>
            <th>{text('loginName')}</th>
            <th>{text('peopleRole')}</th>
            <th className="figure">{text('peopleSeen')}</th>
            <th className="figure wide">{text('peopleMade')}</th>
            <th>
              <span className="visually-hidden">{text('more')}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {users.map(({ name, role, createdMs, lastSeenMs }) => (
            <tr key={name}>
              <td className="person-name">
                {name} {name === self && <Tag tone="accent">{text('peopleYou')}</Tag>}
              </td>
              <td>
                <select
                  aria-label={text('peopleRoleOf', { name })}
                  value={role}
                  onChange={(event) => void setRole(name, event.target.value as Role)}
                >
                  {(['administrator', 'editor', 'viewer'] as const).map((each) => (
                    <option key={each} value={each}>
                      {text(roleTexts[each])}
                    </option>
                  ))}
                </select>
              </td>
              <td className="figure">
                <Since atMs={lastSeenMs} />
              </td>
              <td className="figure quiet wide">{dateTimeText(createdMs)}</td>
              <td className="figure">
                <Popover
                  label={text('peopleMore', { name })}
                  className="icon-button small"
                  align="right"
                  button={<Icon name="more" />}
                >
                  {(closeMenu) => (
                    <div className="menu">
                      <MenuItem
                        onChoose={() => {
                          closeMenu()
                          setOpen({ name, kind: 'password' })
                        }}
                      >
                        <Icon name="key" /> {text('peopleNewPassword')}
                      </MenuItem>
                      <MenuItem
                        onChoose={() => {
                          closeMenu()
                          setOpen({ name, kind: 'remove' })
                        }}
                      >
                        <Icon name="close" /> {text('peopleRemove')}
                      </MenuItem>
                    </div>
                  )}
                </Popover>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {open?.kind === 'password' && <NewPasswordDialog name={open.name} onClose={close} />}
      {open?.kind === 'remove' && <RemoveUserDialog name={open.name} onClose={close} />}
    </section>
  )
}

export function AddUserDialog({ onClose }: { onClose: () => void }) {
  const text = useText()
  const [name, setName] = useState('')
  const [role, setRole] = useState<Role>('viewer')
  const [password, setPassword] = useState('')
  return (
    <FormDialog
      title={text('peopleAddUser')}
      action={text('peopleAddUser')}
      onClose={onClose}
      onSubmit={async () => {
        await ask('/-/access/users', { method: 'POST', body: { name, role, password } })
      }}
    >
      <NameField value={name} onChange={setName} />
      <RoleChoice value={role} onChange={setRole} />
      <GivenPassword value={password} onChange={setPassword} />
      <p className="hint">{text('peopleAddUserHint')}</p>
    </FormDialog>
  )
}

function NewPasswordDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const text = useText()
  const [password, setPassword] = useState('')
  return (
    <FormDialog
      title={text('peopleNewPasswordFor', { name })}
      action={text('peopleSave')}
      onClose={onClose}
      onSubmit={async () => {
        await ask(userPath(name), { method: 'PUT', body: { password } })
      }}
    >
      <p>{text('peopleNewPasswordHint', { name })}</p>
      <GivenPassword value={password} onChange={setPassword} />
    </FormDialog>
  )
}

function RemoveUserDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const text = useText()
  const [typed, setTyped] = useState('')
  return (
    <FormDialog
      title={text('peopleRemoveUser', { name })}
      action={text('peopleRemove')}
      isDangerous
      mayGo={typed.normalize('NFC').toLowerCase() === name}
      onClose={onClose}
      onSubmit={async () => {
        await ask(userPath(name), { method: 'DELETE' })
      }}
    >
      <p>{text('peopleRemoveUserHint', { name })}</p>
      <NameField label={text('peopleTypeName', { name })} value={typed} onChange={setTyped} />
    </FormDialog>
  )
}

/** A password that somebody else will use: typed, or made here and shown to be handed over. */
function GivenPassword({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const text = useText()
  const [made, setMade] = useState('')
  return (
    <>
      <div className="row given-password">
        <PasswordField
          label={text('loginPassword')}
          autoComplete="new-password"
          value={value}
          onChange={onChange}
        />
        <button
          type="button"
          className="button"
          onClick={() => {
            const password = easyPassword()
            setMade(password)
            onChange(password)
          }}
        >
          {text('peopleGenerate')}
        </button>
      </div>
      {made !== '' && made === value && <CopyLine command={made} />}
    </>
  )
}
