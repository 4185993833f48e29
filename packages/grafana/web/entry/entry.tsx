import { useText } from '../i18n/index.ts'
import { sessionStore } from '../lib/session.ts'
import { useStore } from '../lib/store.ts'
import { LanguageChoice, ThemeButton } from '../shell/bar.tsx'
import { Logo } from '../ui/icons.tsx'
import { useTitle } from '../ui/place-title.ts'
import { LoginForm } from './login-form.tsx'
import { SetupForm } from './setup-form.tsx'

/** The way in: a login, or the first administrator where there is nobody yet. */
export function Entry() {
  const text = useText()
  const session = useStore(sessionStore)
  const isSetup = session.kind === 'setup'
  useTitle(text(isSetup ? 'setupTitle' : 'loginTitle'))
  return (
    <div className="entry">
      <header>
        <LanguageChoice />
        <ThemeButton />
      </header>
      <main>
        <div className="entry-brand">
          <Logo size={30} /> <b>Khlong</b>
        </div>
        <section className="panel entry-box">
          <h1>{text(isSetup ? 'setupTitle' : 'loginTitle')}</h1>
          <p className="face-hint">{text(isSetup ? 'setupHint' : 'loginHint')}</p>
          {isSetup ? <SetupForm needsCode={session.needsCode} /> : <LoginForm />}
        </section>
      </main>
      <Canal />
    </div>
  )
}

/** The canal of the mark, as wide as the page: two banks with still water between. */
function Canal() {
  return (
    <svg
      className="entry-canal"
      preserveAspectRatio="none"
      viewBox="0 0 1200 120"
      aria-hidden="true"
    >
      <path className="water" d="M0 60C200 20 400 20 600 60s400 40 600 0" />
      <path className="bank" d="M0 44C200 4 400 4 600 44s400 40 600 0" />
      <path className="bank" d="M0 76C200 36 400 36 600 76s400 40 600 0" />
      <path className="wave" d="M0 60C200 20 400 20 600 60s400 40 600 0" />
    </svg>
  )
}
