document.title = `version 1 of ${import.meta.env.VITE_API}`;
