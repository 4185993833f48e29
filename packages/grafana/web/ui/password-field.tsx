import { useId, useState } from 'react'
import { useText } from '../i18n/index.ts'
import { Icon } from './icons.tsx'

/** A password with a button that shows it: on a phone one sees what one types. */
export function PasswordField({
  label,
  hint,
  value,
  autoComplete,
  onChange,
}: {
  label: string
  hint?: string
  value: string
  autoComplete: 'current-password' | 'new-password' | 'off'
  onChange: (value: string) => void
}) {
  const text = useText()
  const [isShown, setShown] = useState(false)
  const id = useId()
  const shows = text(isShown ? 'loginHide' : 'loginShow')
  return (
    <div className="password">
      <label htmlFor={id}>{label}</label>
      <div className="password-field">
        <input
          id={id}
          type={isShown ? 'text' : 'password'}
          autoComplete={autoComplete}
          autoCapitalize="none"
          spellCheck={false}
          required
          minLength={autoComplete === 'current-password' ? undefined : 8}
          value={value}
          {...(hint === undefined ? {} : { 'aria-describedby': `${id}-hint` })}
          onChange={(event) => onChange(event.target.value)}
        />
        <button
          type="button"
          className="icon-button small"
          aria-label={shows}
          title={shows}
          aria-pressed={isShown}
          onClick={() => setShown(!isShown)}
        >
          <Icon name="eye" />
        </button>
      </div>
      {hint && (
        <span className="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
    </div>
  )
}
