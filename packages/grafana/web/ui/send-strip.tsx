import { useState } from 'react'
import { useText } from '../i18n/index.ts'
import { remember, remembered } from '../lib/preferences.ts'
import { useMay } from '../lib/session.ts'
import { useSetup } from '../lib/setup.ts'
import { paletteStore } from '../shell/palette-store.ts'
import { CopyLine } from './copy.tsx'
import { WindowCountdown } from './countdown.tsx'
import { frameCommand } from './frame-command.ts'
import { Icon } from './icons.tsx'

/** "Send your own" on the home page: a line to copy, a button, and when the next aggregate comes. */
export function SendStrip() {
  const text = useText()
  const setup = useSetup()
  const mayEdit = useMay('editor')
  const [isHidden, setHidden] = useState(remembered('send-strip') === 'hidden')
  if (isHidden || !mayEdit || !setup?.mqtt) return null
  return (
    <section className="panel send-strip" aria-label={text('sendYourOwn')}>
      <Icon name="sensor" />
      <b>{text('sendYourOwn')}</b>
      <CopyLine command={frameCommand(setup, 'mosquitto')} />
      <button type="button" className="button primary" onClick={() => paletteStore.set('send')}>
        <Icon name="send" size={14} /> {text('sendButton')}
      </button>
      <WindowCountdown />
      <button
        type="button"
        className="icon-button small"
        aria-label={text('hide')}
        title={text('hide')}
        onClick={() => {
          remember('send-strip', 'hidden')
          setHidden(true)
        }}
      >
        <Icon name="close" size={12} />
      </button>
    </section>
  )
}
