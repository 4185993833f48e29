import { useState } from 'react'
import { useText } from '../i18n/index.ts'
import { Icon } from './icons.tsx'
import { scrolls } from './scrolls.ts'

/** Writes to the clipboard, also where the page is not served from a secure address. */
export async function copyText(value: string): Promise<void> {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(value)
  const area = document.createElement('textarea')
  area.value = value
  area.style.position = 'fixed'
  area.style.opacity = '0'
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}

function useCopied(): [boolean, (value: string) => void] {
  const [isCopied, setCopied] = useState(false)
  return [
    isCopied,
    (value) => {
      void copyText(value).then(() => {
        setCopied(true)
        setTimeout(() => setCopied(false), 1_500)
      })
    },
  ]
}

/** A button that copies a text. */
export function CopyButton({ value }: { value: string }) {
  const text = useText()
  const [isCopied, copy] = useCopied()
  return (
    <button
      type="button"
      className="icon-button small"
      aria-label={text(isCopied ? 'copied' : 'copy')}
      title={text(isCopied ? 'copied' : 'copy')}
      onClick={() => copy(value)}
    >
      <Icon name={isCopied ? 'check' : 'copy'} size={14} />
    </button>
  )
}

/** A command with a button that copies it; a label says what it is where it is none. */
export function CopyLine({
  command,
  label,
  wrap = false,
}: {
  command: string
  label?: string
  wrap?: boolean
}) {
  return (
    <div className={wrap ? 'copy-line copy-line-wrap' : 'copy-line'}>
      {label && <span className="quiet">{label}</span>}
      {/* It scrolls, so the keyboard must reach it. */}
      <code {...scrolls}>{command}</code>
      <CopyButton value={command} />
    </div>
  )
}

/** An id in mono that is copied with a click. */
export function CopyId({ id, shown = id }: { id: string; shown?: string }) {
  const text = useText()
  const [isCopied, copy] = useCopied()
  return (
    <button
      type="button"
      className="copy-id"
      title={isCopied ? text('copied') : `${text('copy')}: ${id}`}
      onClick={(event) => {
        event.stopPropagation()
        copy(id)
      }}
    >
      {isCopied ? text('copied') : shown}
    </button>
  )
}
