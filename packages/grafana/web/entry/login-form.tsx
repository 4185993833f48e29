import { type FormEvent, useEffect, useRef, useState } from 'react'
import { useText } from '../i18n/index.ts'
import { ApiError, ask } from '../lib/api.ts'
import { useNow } from '../lib/clock.ts'
import { duration } from '../lib/duration.ts'
import { loadSession } from '../lib/session.ts'
import { CopyLine } from '../ui/copy.tsx'
import { FormError } from '../ui/form-error.tsx'
import { PasswordField } from '../ui/password-field.tsx'

/** Name and password; who tries too often sees how long to wait. */
export function LoginForm() {
  const text = useText()
  const nowMs = useNow()
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<Error | undefined>(undefined)
  const [untilMs, setUntilMs] = useState(0)
  const waitMs = Math.max(0, untilMs - nowMs)
  const isSlowed = waitMs > 0
  useEffect(() => {
    if (!isSlowed) setError((before) => (statusOf(before) === 429 ? undefined : before))
  }, [isSlowed])
  const logIn = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      await ask('/login', { method: 'POST', body: { user: name, password } })
      await loadSession()
    } catch (fault) {
      const failure = fault instanceof Error ? fault : new Error(String(fault))
      if (failure instanceof ApiError && failure.status === 429)
        setUntilMs(Date.now() + failure.retryAfterMs)
      setError(failure)
      setPassword('')
    } finally {
      setBusy(false)
    }
  }
  return (
    <form className="stack" onSubmit={(event) => void logIn(event)}>
      <label>
        <span>{text('loginName')}</span>
        <input
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          ref={field}
          required
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <PasswordField
        label={text('loginPassword')}
        autoComplete="current-password"
        value={password}
        onChange={setPassword}
      />
      <button type="submit" className="button primary" disabled={isBusy || isSlowed}>
        {text(isBusy ? 'loginBusy' : 'loginButton')}
      </button>
      <FormError
        error={error}
        {...(isSlowed
          ? {
              words: text('loginSlowed', { duration: duration(Math.ceil(waitMs / 1_000) * 1_000) }),
            }
          : statusOf(error) === 401
            ? { words: text('loginWrong') }
            : {})}
      />
      <details className="entry-forgotten">
        <summary>{text('loginForgotten')}</summary>
        <CopyLine command={`npx khlong user passwd ${commandWord(name)}`} />
      </details>
    </form>
  )
}

function statusOf(error: Error | undefined): number {
  return error instanceof ApiError ? error.status : 0
}

/** The name that was typed, where it is safe to copy into a shell. */
function commandWord(name: string): string {
  return /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@-]*$/u.test(name) ? name : 'NAME'
}
