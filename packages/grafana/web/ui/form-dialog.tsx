import { type FormEvent, type ReactNode, useState } from 'react'
import { useText } from '../i18n/index.ts'
import { Dialog } from '../shell/dialog.tsx'
import { FormError } from './form-error.tsx'
import { Icon } from './icons.tsx'

/** A form over the page: closes when it was taken, says why when it was not. */
export function FormDialog({
  title,
  action,
  isDangerous = false,
  mayGo = true,
  onSubmit,
  onClose,
  onDone = onClose,
  children,
}: {
  title: string
  action: string
  isDangerous?: boolean
  /** Whether all is filled in that must be. */
  mayGo?: boolean
  onSubmit: () => Promise<void>
  onClose: () => void
  /** After it was taken; closes by default. */
  onDone?: () => void
  children: ReactNode
}) {
  const text = useText()
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<Error | undefined>(undefined)
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      await onSubmit()
      onDone()
    } catch (fault) {
      setError(fault instanceof Error ? fault : new Error(String(fault)))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog label={title} className="form-dialog" onClose={onClose}>
      <header>
        <h2>{title}</h2>
        <button
          type="button"
          className="icon-button small"
          aria-label={text('close')}
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </header>
      <form className="stack" onSubmit={(event) => void submit(event)}>
        {children}
        <FormError error={error} />
        <footer>
          <button type="button" className="button" onClick={onClose}>
            {text('cancel')}
          </button>
          <button
            type="submit"
            className={`button ${isDangerous ? 'danger' : 'primary'}`}
            disabled={isBusy || !mayGo}
          >
            {action}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
