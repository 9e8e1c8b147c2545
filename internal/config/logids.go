package config

import (
	"fmt"
	"log"

	"rest-sessions/internal/pseudonym"
)

const (
	logIDsKeyName = "RS_LOG_IDS_KEY"
	logIDsKeyFile = logIDsKeyName + "_FILE"
)

// LogIDsKeyFile is the file of the key of pseudonyms, "" if it is not in one.
func (c Config) LogIDsKeyFile() string { return c.environ[logIDsKeyFile] }

// Pseudonyms makes what the log shows in the place of ids and addresses, nil if it shows
// them as they are.
func (c Config) Pseudonyms() (*pseudonym.Maker, error) {
	if c.LogIDs != "hash" {
		return nil, nil
	}
	if c.LogIDsKey == "" {
		log.Print(logIDsKeyName + " is not set: the pseudonyms in the log are of this run alone, and those of other runs and servers are different")
	}
	return pseudonym.New(c.LogIDsKey)
}

// pseudonymProblems returns what is wrong with RS_LOG_IDS and its key. It quotes nothing
// of the key.
func (c Config) pseudonymProblems() (problems []string) {
	file := c.LogIDsKeyFile()
	switch {
	case c.LogIDs == "plain" && (c.LogIDsKey != "" || file != ""):
		problems = append(problems, logIDsKeyName+" is set and RS_LOG_IDS is not hash, so ids would be shown as they are; set RS_LOG_IDS=hash, or leave out the key")
	case c.LogIDsKey != "":
		if _, err := pseudonym.New(c.LogIDsKey); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", logIDsKeyName, err))
		}
	case file != "":
		if text, err := fileText(file); err == nil && text == "" { // else more is said elsewhere
			problems = append(problems, logIDsKeyFile+": the file is empty")
		}
	}
	return problems
}

// ReloadPseudonyms gives ids the key that LogIDsKeyFile holds now. After an error ids are
// as before.
func (c Config) ReloadPseudonyms(ids *pseudonym.Maker) error {
	text, err := fileText(c.LogIDsKeyFile())
	if err != nil {
		return err
	}
	return ids.SetKey(text)
}
