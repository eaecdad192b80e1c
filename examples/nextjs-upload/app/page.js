'use client';

import { useState } from 'react';
import { version } from './release';

export default function Page() {
  const [count, setCount] = useState(0);
  return (
    <button type="button" onClick={() => setCount(count + 1)}>
      {`version ${version}`}: {count}
    </button>
  );
}
