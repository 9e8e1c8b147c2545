package migrate

import (
	"testing"

	"rest-sessions/store/redis/internal/enginetest"
)

func TestScriptHeaders(t *testing.T) { enginetest.CheckScripts(t, scripts) }
