import { useText } from '../i18n/index.ts'
import { usePlaces } from '../lib/places.ts'
import { Icon } from '../ui/icons.tsx'
import { Dialog } from './dialog.tsx'
import { paletteStore } from './palette-store.ts'

/** All keys of the console. */
export function Keys() {
  const text = useText()
  const places = usePlaces()
  const close = (): void => paletteStore.set('closed')
  return (
    <Dialog label={text('keysTitle')} className="keys-dialog" onClose={close}>
      <header>
        <h2>{text('keysTitle')}</h2>
        <button
          type="button"
          className="icon-button small"
          aria-label={text('close')}
          onClick={close}
        >
          <Icon name="close" />
        </button>
      </header>
      <dl>
        <div>
          <dt>{text('keysPalette')}</dt>
          <dd>
            <kbd>Ctrl</kbd> <kbd>K</kbd>
          </dd>
        </div>
        <div>
          <dt>{text('keysFilter')}</dt>
          <dd>
            <kbd>/</kbd>
          </dd>
        </div>
        <div>
          <dt>{text('keysClose')}</dt>
          <dd>
            <kbd>Esc</kbd>
          </dd>
        </div>
        <div>
          <dt>{text('keysHelp')}</dt>
          <dd>
            <kbd>?</kbd>
          </dd>
        </div>
        {places.map((place) => (
          <div key={place.path}>
            <dt>{text('keysGo', { place: text(place.name) })}</dt>
            <dd>
              <kbd>G</kbd> <kbd>{place.letter.toUpperCase()}</kbd>
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
