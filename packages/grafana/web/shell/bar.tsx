import { useEffect, useState } from 'react'
import { healthOf } from '../../src/model/health.ts'
import { type TextKey, useText } from '../i18n/index.ts'
import { useNow } from '../lib/clock.ts'
import { duration } from '../lib/duration.ts'
import { liveStore, snapshotStore } from '../lib/live.ts'
import { chooseLanguage, chooseTheme, isDark, languageStore, onColors } from '../lib/preferences.ts'
import { hrefTo, Link } from '../lib/router.tsx'
import { useStore } from '../lib/store.ts'
import { Icon, Logo } from '../ui/icons.tsx'
import { StateMark } from '../ui/state-mark.tsx'
import { paletteStore } from './palette-store.ts'
import { TimePicker } from './time-picker.tsx'
import { UserMenu } from './user-menu.tsx'

/** The same on every place: pipeline with its worst state, search, live, time, language, theme. */
export function Bar() {
  const text = useText()
  return (
    <header className="bar">
      <Link to={hrefTo('/')} className="bar-logo" aria-label="Khlong">
        <Logo />
      </Link>
      <PipelineState />
      <button
        type="button"
        className="search-button"
        onClick={() => paletteStore.set('open')}
        aria-keyshortcuts="Control+K Meta+K"
      >
        <Icon name="search" />
        <span>{text('searchOrRun')}</span>
        <kbd>Ctrl K</kbd>
      </button>
      <span className="bar-space" />
      <LiveMark />
      <TimePicker />
      <LanguageChoice />
      <button
        type="button"
        className="icon-button phone-only"
        aria-label={text('search')}
        onClick={() => paletteStore.set('open')}
      >
        <Icon name="search" />
      </button>
      <ThemeButton />
      <UserMenu />
    </header>
  )
}

/** The state of the whole pipeline in a sentence. */
export function stateSentence(
  text: (key: TextKey, values?: Record<string, string | number>) => string,
  health: ReturnType<typeof healthOf>,
): string {
  switch (health.kind) {
    case 'ok':
      return text('stateOk')
    case 'idle':
      return text('stateIdle')
    case 'starting':
      return text('stateStarting')
    case 'behind':
      return health.count === 1
        ? text('stateBehindOne')
        : text('stateBehindMany', { count: health.count })
    case 'failed':
      return health.count === 1
        ? text('stateFailedOne')
        : text('stateFailedMany', { count: health.count })
    case 'unknown':
      return text('stateUnknown')
  }
}

function PipelineState() {
  const text = useText()
  const snapshot = useStore(snapshotStore)
  const health = healthOf(snapshot)
  const sentence = stateSentence(text, health)
  return (
    <Link to={hrefTo('/flow')} className="pipeline" title={`${text('pipelineState')}: ${sentence}`}>
      <StateMark level={health.level} />
      <b>{snapshot?.name ?? 'khlong'}</b>
      <span className="pipeline-sentence">{sentence}</span>
    </Link>
  )
}

function LiveMark() {
  const text = useText()
  const live = useStore(liveStore)
  const nowMs = useNow()
  const quietMs = nowMs - live.heardMs
  const isStale = !live.connected || quietMs > 5_000
  return (
    <span className="live-mark" role="status">
      <StateMark level={isStale ? 'warn' : 'ok'} />
      <span className={isStale ? 'warn' : ''}>{text(isStale ? 'reconnecting' : 'live')}</span>
      {isStale && live.heardMs > 0 && quietMs > 2_000 && (
        <small>{text('stale', { duration: duration(quietMs) })}</small>
      )}
    </span>
  )
}

export function ThemeButton() {
  const text = useText()
  const [dark, setDark] = useState(isDark)
  useEffect(() => onColors(() => setDark(isDark())), [])
  const label = text(dark ? 'themeToLight' : 'themeToDark')
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={label}
      title={label}
      onClick={() => chooseTheme(dark ? 'light' : 'dark')}
    >
      <Icon name={dark ? 'sun' : 'moon'} />
    </button>
  )
}

/** English or Thai. */
export function LanguageChoice() {
  const text = useText()
  const language = useStore(languageStore)
  return (
    <fieldset className="segments language" aria-label={text('language')}>
      <button
        type="button"
        lang="en"
        aria-pressed={language === 'en'}
        onClick={() => chooseLanguage('en')}
        aria-label="EN, English"
      >
        EN
      </button>
      <button
        type="button"
        lang="th"
        aria-pressed={language === 'th'}
        onClick={() => chooseLanguage('th')}
        aria-label="ภาษาไทย"
      >
        ไทย
      </button>
    </fieldset>
  )
}
