import type { Role } from '../../../src/model/people.ts'
import { type TextKey, useText } from '../../i18n/index.ts'
import { roleTexts } from '../../shell/user-menu.tsx'

const roleHints: Readonly<Record<Role, TextKey>> = {
  administrator: 'roleAdministratorHint',
  editor: 'roleEditorHint',
  viewer: 'roleViewerHint',
}

export function NameField({
  label,
  value,
  onChange,
}: {
  label?: string
  value: string
  onChange: (value: string) => void
}) {
  const text = useText()
  return (
    <label>
      <span>{label ?? text('loginName')}</span>
      <input
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        required
        maxLength={64}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  )
}

/** The three roles, each with what it allows. */
export function RoleChoice({ value, onChange }: { value: Role; onChange: (role: Role) => void }) {
  const text = useText()
  return (
    <fieldset className="role-choice">
      <legend>{text('peopleRole')}</legend>
      {(['viewer', 'editor', 'administrator'] as const).map((role) => (
        <label key={role} className="check">
          <input
            type="radio"
            name="role"
            checked={value === role}
            onChange={() => onChange(role)}
          />
          <span>
            {text(roleTexts[role])} <small>{text(roleHints[role])}</small>
          </span>
        </label>
      ))}
    </fieldset>
  )
}
