import { useEffect, useState } from 'react'

const quiet = 3

/** An address to be read by a camera: dark on light in both themes, for cameras need that. */
export function QrCode({ value, label }: { value: string; label: string }) {
  const [drawing, setDrawing] = useState<{ size: number; path: string } | undefined>(undefined)
  useEffect(() => {
    let isWanted = true
    void import('qrcode').then(({ create }) => {
      const { size, data } = create(value, { errorCorrectionLevel: 'L' }).modules
      let path = ''
      for (let index = 0; index < data.length; index++)
        if (data[index])
          path += `M${(index % size) + quiet} ${Math.floor(index / size) + quiet}h1v1h-1z`
      if (isWanted) setDrawing({ size: size + 2 * quiet, path })
    })
    return () => {
      isWanted = false
    }
  }, [value])
  return (
    <svg
      className="qr-code"
      role="img"
      aria-label={label}
      viewBox={`0 0 ${drawing?.size ?? 40} ${drawing?.size ?? 40}`}
      shapeRendering="crispEdges"
    >
      <path d={drawing?.path ?? ''} />
    </svg>
  )
}
