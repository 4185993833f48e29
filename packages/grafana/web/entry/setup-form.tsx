import { type FormEvent, useState } from 'react'
import { useText } from '../i18n/index.ts'
import { ask } from '../lib/api.ts'
import { loadSession } from '../lib/session.ts'
import { FormError } from '../ui/form-error.tsx'
import { PasswordField } from '../ui/password-field.tsx'

/** The code that the printed address carries behind its hash; it does not stay in the history. */
function codeOfAddress(): string {
  const code = new URLSearchParams(location.hash.slice(1)).get('setup') ?? ''
  if (code !== '') history.replaceState(null, '', location.pathname + location.search)
  return code
}

/** Makes the first administrator, who is logged in then. */
export function SetupForm({ needsCode }: { needsCode: boolean }) {
  const text = useText()
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [code, setCode] = useState(codeOfAddress)
  const [hadCode] = useState(code !== '')
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<Error | undefined>(undefined)
  const setUp = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      await ask('/-/access/setup', { method: 'POST', body: { name, password, code } })
      await loadSession()
    } catch (fault) {
      setError(fault instanceof Error ? fault : new Error(String(fault)))
    } finally {
      setBusy(false)
    }
  }
  return (
    <form className="stack" onSubmit={(event) => void setUp(event)}>
      {needsCode && !(hadCode && error === undefined) && (
        <label>
          <span>{text('setupCode')}</span>
          <input
            className="mono"
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            required
            value={code}
            onChange={(event) => setCode(event.target.value.trim())}
          />
          <span className="hint">{text('setupCodeHint')}</span>
        </label>
      )}
      <label>
        <span>{text('loginName')}</span>
        <input
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <PasswordField
        label={text('loginPassword')}
        hint={text('setupPasswordHint')}
        autoComplete="new-password"
        value={password}
        onChange={setPassword}
      />
      <button type="submit" className="button primary" disabled={isBusy}>
        {text(isBusy ? 'loginBusy' : 'setupButton')}
      </button>
      <FormError error={error} />
    </form>
  )
}
